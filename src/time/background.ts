import { setMaxListeners } from 'node:events';

/** Work that no caller waits for. `disconnect()` waits for it, and stops what takes too long. Its rejections are ignored. */
export class Background {
  readonly #running = new Set<Promise<unknown>>();
  readonly #end = new AbortController();

  constructor() {
    // Every piece of work may listen to it, which is no leak.
    setMaxListeners(0, this.#end.signal);
  }

  /** Aborted by `stop`: the store was disconnected, and the work has had its time to end. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  add(work: Promise<unknown>): void {
    const running: Promise<unknown> = work.catch(() => {}).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when no work is under way, work added meanwhile included. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  stop(reason: Error): void {
    this.#end.abort(reason);
  }
}

/** Background work that runs once at a time: started again while it runs, it runs once more afterwards. It reports its failures itself. */
export class OneAtATime {
  readonly #work: () => Promise<unknown>;
  #wanted = false;
  #running: Promise<void> | undefined;

  constructor(work: () => Promise<unknown>) {
    this.#work = work;
  }

  /** Resolves when it has ended, runs that were started meanwhile included. Never rejects. */
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
