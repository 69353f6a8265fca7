/** How late the event loop is. A call cannot settle while the process does not run, so that time is no fault of the call's. */
export class Lag {
  readonly #every = 20;
  readonly #timer: NodeJS.Timeout;
  #last = performance.now();
  #total = 0;

  constructor() {
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#total = this.#at(now);
      this.#last = now;
    }, this.#every);
  }

  /** All the milliseconds that were lost so far. */
  get total(): number {
    return this.#at(performance.now());
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #at(now: number): number {
    return this.#total + Math.max(0, now - this.#last - this.#every);
  }
}
