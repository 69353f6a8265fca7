import type { Milliseconds } from '../ttl.js';
import { endClient } from './end-client.js';
import { settledWithin } from './settled-within.js';
import type { GivenClient } from './target.js';

/** Clients of ours beside the one in use: on their way in, or out. None outlives its time. */
export class Aside {
  readonly #patience: Milliseconds;
  readonly #clients = new Set<GivenClient>();

  constructor(patience: Milliseconds) {
    this.#patience = patience;
  }

  /** Connects the client. @returns whether it did, in time: then it is the caller's; else it has been ended */
  async connects(client: GivenClient): Promise<boolean> {
    const giveUp = (): void => this.#end(client);
    this.#clients.add(client);
    client.on('error', giveUp);
    let there = false;
    const connecting = client.connect().then(() => {
      there = true;
    });
    await settledWithin(connecting, this.#patience).catch(() => {});
    client.off('error', giveUp);
    if (there && this.#clients.delete(client)) return true;
    this.#end(client);
    return false;
  }

  /** Lets the client answer what is in flight, and ends it. */
  retires(client: GivenClient): void {
    this.#clients.add(client);
    void settledWithin(client.close(), this.#patience)
      .catch(() => {})
      .then(() => this.#end(client));
  }

  end(): void {
    for (const client of this.#clients) this.#end(client);
  }

  #end(client: GivenClient): void {
    this.#clients.delete(client);
    endClient(client);
  }
}
