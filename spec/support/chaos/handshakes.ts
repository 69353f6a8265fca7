import { setTimeout as sleep } from 'node:timers/promises';

/** What connections cost a server before it answers on them, as with TLS: one after the other, also one that was given up meanwhile. */
export class Handshakes {
  /** Milliseconds for each. */
  cost = 0;
  readonly #isFrozen: () => boolean;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(isFrozen: () => boolean) {
    this.#isFrozen = isFrozen;
  }

  /** Resolves when all connections before this one have been served, and so has this one. */
  turn(): Promise<unknown> {
    this.#queue = this.#queue.then(async () => {
      if (this.cost > 0) await sleep(this.cost);
      while (this.#isFrozen()) await sleep(5);
    });
    return this.#queue;
  }
}
