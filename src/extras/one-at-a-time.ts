/**
 * Work in the background, once at a time: started again while it runs, it runs once more afterwards. Whatever it rejects with, it has
 * told already.
 */
export class OneAtATime {
  readonly #work: () => Promise<unknown>;
  #wanted = false;
  #running: Promise<void> | undefined;

  constructor(work: () => Promise<unknown>) {
    this.#work = work;
  }

  /** Resolves when it has ended, those that were started meanwhile included. Never rejects. */
  start(): Promise<void> {
    this.#wanted = true;
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      await this.#work().catch(() => {});
    }
    this.#running = undefined;
  }
}
