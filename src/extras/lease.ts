import { randomBytes } from 'node:crypto';
import type { Claim } from '../commands/commands.js';
import type { OrderedCommands } from '../commands/in-order.js';
import type { Mark } from '../commands/leases.js';
import { clearInterval, setInterval } from '../connection/real-time.js';
import { CommandError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Background } from './background.js';
import type { Held, Returns } from './returns.js';

/** A lease that is renewed three times in its time ends, at the latest, when it would have run out so many times. */
export const terms = 10;

/** What leases need of the store. */
export interface LeaseParts {
  readonly commands: OrderedCommands;
  readonly background: Background;
  readonly returns: Returns;
}

/** The right to make the value of one key, for one process of all: a key in Redis that holds a token until it lapses. */
export class Lease {
  readonly #parts: LeaseParts;
  readonly #held: Held;
  readonly #timer: NodeJS.Timeout;

  private constructor(parts: LeaseParts, held: Held) {
    const { key, token, time } = held;
    this.#parts = parts;
    this.#held = held;
    let renewals = 0;
    this.#timer = setInterval(() => {
      if (++renewals > 3 * terms) clearInterval(this.#timer);
      else
        parts.commands.renew(key, token, time).then(
          (ours) => ours || clearInterval(this.#timer),
          () => {},
        );
    }, time / 3).unref();
  }

  /**
   * Redis: SET PX in a script. `urgent`: also where a renewal has failed and rests.
   *
   * @returns what stands in the way, where another process holds it; `undefined` where there can be no lease, of which a warning tells once
   */
  static async claim(parts: LeaseParts, key: string, time: Milliseconds, urgent: boolean): Promise<Lease | string | undefined> {
    const token = randomBytes(12).toString('base64url');
    const sent = parts.returns.reachable();
    let holder: string | undefined;
    try {
      holder = await parts.commands.claim(key, token, time, urgent);
    } catch (error) {
      if (error instanceof CommandError && refusals.has(error.code)) return withoutLease(error.message);
      if (sent) parts.background.add(parts.returns.addLost({ key, token, time }, error));
      throw error;
    }
    if (holder === '') return withoutLease('a key that never expires stands in its place');
    return holder ?? new Lease(parts, { key, token, time });
  }

  /** Stores what was made, if the lease still holds, and ends it. @returns whether it was stored */
  async fill(entry: Parameters<OrderedCommands['fill']>[0], terms: Pick<Claim, 'seen' | 'mayBeGone'>): Promise<boolean> {
    try {
      return await this.#parts.commands.fill(entry, { lease: this.#held.key, token: this.#held.token, ...terms });
    } finally {
      clearInterval(this.#timer);
    }
  }

  /** Deletes the entry, if it is as it was seen and the lease still holds, and ends that. @returns whether it was deleted */
  async retire(key: string, seen: string, mark: Mark): Promise<boolean> {
    try {
      return await this.#parts.commands.retire(key, { lease: this.#held.key, token: this.#held.token, seen }, mark);
    } finally {
      clearInterval(this.#timer);
    }
  }

  /** Gives it back; a `mark` tells callers that wait for it how the load ended. Never rejects. */
  end(mark?: Mark): Promise<void> {
    clearInterval(this.#timer);
    return this.#parts.returns.add(this.#held, mark);
  }
}

/** How Redis answers where it will not run the script, or finds a key of another type. It answers the next claim the same. */
const refusals: ReadonlySet<string> = new Set(['ERR_COMMAND', 'ERR_PERMISSION']);
let warned = false;

function withoutLease(reason: string): undefined {
  if (warned) return;
  warned = true;
  process.emitWarning(`getOrSet runs without a lease, each process for itself: ${reason}`, { code: 'REDIS_TIER_LEASE' });
}
