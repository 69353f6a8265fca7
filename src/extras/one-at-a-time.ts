/**
 * Work in the background, once at a time: started again while it runs, it runs once more afterwards. Whatever it rejects with, it has
 * told already.
 */
export class OneAtATime {
  readonly #work: () => Promise<unknown>;
  #wanted = false;
  #running = false;

  constructor(work: () => Promise<unknown>) {
    this.#work = work;
  }

  start(): void {
    this.#wanted = true;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#wanted) {
      this.#wanted = false;
      await this.#work().catch(() => {});
    }
    this.#running = false;
  }
}
