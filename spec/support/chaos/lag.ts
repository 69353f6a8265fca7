/** How late the event loop is. A call cannot settle while the process does not run, so that time is no fault of the call's. */
export class Lag {
  readonly #every = 20;
  readonly #timer: NodeJS.Timeout;
  #last = performance.now();
  #total = 0;

  constructor() {
    this.#timer = setInterval(() => {
      this.#total = this.total;
      this.#last = performance.now();
    }, this.#every);
  }

  /** All the milliseconds that were lost so far. */
  get total(): number {
    return this.#total + Math.max(0, performance.now() - this.#last - this.#every);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
