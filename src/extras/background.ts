import { setMaxListeners } from 'node:events';

/** Work that no caller waits for: it ends in time for `disconnect()`, or is told to. It never rejects. */
export class Background {
  readonly #running = new Set<Promise<unknown>>();
  readonly #end = new AbortController();

  constructor() {
    // As many as there is work listen to it, which is no leak.
    setMaxListeners(0, this.#end.signal);
  }

  /** Aborted when the store is disconnected and what was under way had its time to end. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  get quiet(): boolean {
    return this.#running.size === 0;
  }

  add(work: Promise<unknown>): void {
    const quiet: Promise<unknown> = work
      .catch(() => {})
      .finally(() => {
        this.#running.delete(quiet);
      });
    this.#running.add(quiet);
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  stop(reason: Error): void {
    this.#end.abort(reason);
  }
}
