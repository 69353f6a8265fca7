/** How long it is remembered what a floor was: longer than anybody may be behind, in milliseconds. */
const memory = 4000;

/** The number of an event: what had taken effect by then counts no more. It rises, and what it was a while ago can be asked. */
export class Floor {
  #steps: { readonly at: number; readonly event: number }[] = [];

  get now(): number {
    return this.#steps.at(-1)?.event ?? 0;
  }

  raise(event: number, at: number): void {
    if (event <= this.now) return;
    this.#steps.push({ at, event });
    // One that is older stays: it is what the floor was at the beginning of the memory.
    while ((this.#steps[1]?.at ?? Number.POSITIVE_INFINITY) < at - memory) this.#steps.shift();
  }

  asOf(time: number): number {
    return this.#steps.findLast(({ at }) => at <= time)?.event ?? 0;
  }

  forget(): void {
    this.#steps = [];
  }
}
