import { randomBytes } from 'node:crypto';
import type { Claim } from '../commands/commands.js';
import type { OrderedCommands } from '../commands/in-order.js';
import type { Milliseconds } from '../ttl.js';
import type { Background } from './background.js';
import { backoff, pause } from './pause.js';

/** A lease that is renewed three times in its time ends, at the latest, when it would have run out so many times. */
export const terms = 10;

/** What leases need of the store. */
export interface LeaseParts {
  readonly commands: OrderedCommands;
  readonly background: Background;
}

/** The right to make the value of one key, for one process of all: a key in Redis that holds a token until it lapses. */
export class Lease {
  readonly #parts: LeaseParts;
  readonly #key: string;
  readonly #token: string;
  readonly #time: Milliseconds;
  readonly #timer: NodeJS.Timeout;

  private constructor(parts: LeaseParts, key: string, token: string, time: Milliseconds) {
    this.#parts = parts;
    this.#key = key;
    this.#token = token;
    this.#time = time;
    let renewals = 0;
    this.#timer = setInterval(() => {
      if (++renewals > 3 * terms) clearInterval(this.#timer);
      else
        parts.commands.renew(key, token, time).then(
          (held) => held || clearInterval(this.#timer),
          () => {},
        );
    }, time / 3).unref();
  }

  /** Redis: SET NX PX. @returns `undefined` where somebody has it */
  static async claim(parts: LeaseParts, key: string, time: Milliseconds): Promise<Lease | undefined> {
    const token = randomBytes(12).toString('base64url');
    let held: boolean;
    try {
      held = await parts.commands.add(key, token, time);
    } catch (error) {
      // An answer that was lost may be that it is ours, and nobody else's for all its time.
      parts.background.add(giveBack(parts, key, token, time));
      throw error;
    }
    return held ? new Lease(parts, key, token, time) : undefined;
  }

  /** Stores what was made, if the lease still holds, and ends it. @returns whether it was stored */
  async fill(entry: Parameters<OrderedCommands['fill']>[0], terms: Pick<Claim, 'seen' | 'mayBeGone'>): Promise<boolean> {
    try {
      return await this.#parts.commands.fill(entry, { lease: this.#key, token: this.#token, ...terms });
    } finally {
      clearInterval(this.#timer);
    }
  }

  /** Gives it back; with `rest`, nobody else gets it for so long. Never rejects. */
  end(rest?: Milliseconds): Promise<void> {
    clearInterval(this.#timer);
    return giveBack(this.#parts, this.#key, this.#token, this.#time, rest);
  }
}

/** Tries once. Where that fails it goes on by itself until the lease has lapsed: others wait for it all the while. */
async function giveBack(parts: LeaseParts, key: string, token: string, time: Milliseconds, rest?: Milliseconds): Promise<void> {
  const { commands, background } = parts;
  const { signal } = background;
  const end = performance.now() + time;
  const attempt = async (): Promise<boolean> => {
    try {
      await commands.release(key, token, rest);
      return true;
    } catch {
      return false;
    }
  };
  const again = async (): Promise<void> => {
    for (const delay of backoff(100, 1.5, 1000)) {
      await pause(delay, { idle: true, signal });
      if (signal.aborted || performance.now() > end || (await attempt())) return;
    }
  };
  if (!(await attempt())) void again();
}
