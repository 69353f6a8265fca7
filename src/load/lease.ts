import { randomBytes } from 'node:crypto';
import type { CacheContext } from '../cache/context.js';
import { type LeaseClaim, type LeaseMark, markStart, type OrderedCommands } from '../commands/commands.js';
import type { Held } from '../commands/release-queue.js';
import { CommandError, UnsupportedError } from '../errors.js';
import { warn } from '../messages.js';
import { debug } from '../telemetry/outages.js';
import { clearInterval, setInterval } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** How many times over a lease is renewed. A load that runs longer loses it. */
export const maxTerms = 10;
/** A lease is renewed this often within its time. */
const renewals = 3;

type LeaseContext = Pick<CacheContext, 'commands' | 'background' | 'releases'>;

/** The right of one process to make the value of a key: a key in Redis that holds a token until it expires. */
export class Lease {
  readonly #context: LeaseContext;
  readonly #held: Held;
  readonly #number = ++claimed;
  readonly #timer: NodeJS.Timeout;

  private constructor(context: LeaseContext, held: Held) {
    const { key, token, time } = held;
    this.#context = context;
    this.#held = held;
    this.#say(`claimed for ${time} ms`);
    let count = 0;
    this.#timer = setInterval(() => {
      if (++count > renewals * maxTerms) clearInterval(this.#timer);
      else
        context.commands.renew(key, token, time).then(
          (isOurs) => {
            if (isOurs) return;
            clearInterval(this.#timer);
            this.#say('lost: it expired or was deleted');
          },
          () => {},
        );
    }, time / renewals).unref();
  }

  /**
   * `urgent`: also after a refresh that failed lately.
   *
   * @returns the lease; or what the key holds if another process has it; `undefined` if there can be no lease, which one warning reports
   */
  static async claim(context: LeaseContext, key: string, time: Milliseconds, urgent: boolean): Promise<Lease | string | undefined> {
    const token = randomBytes(12).toString('base64url');
    const wasReachable = context.releases.isReachable();
    let holder: string | undefined;
    try {
      holder = await context.commands.claim(key, token, time, urgent);
    } catch (error) {
      // Redis refuses scripts, as another warning says.
      if (error instanceof UnsupportedError) return undefined;
      if (error instanceof CommandError && permanentRefusals.has(error.code)) return withoutLease(error.message);
      debug(() => `lease: not claimed, ${(error as { code?: string }).code}`);
      if (wasReachable) context.background.add(context.releases.addLost({ key, token, time }, error));
      throw error;
    }
    if (holder) debug(() => 'lease: another process has it');
    if (holder === '') return withoutLease('a key that is no lease, because it never expires or is too long, is in its place');
    return holder ?? new Lease(context, { key, token, time });
  }

  /** Stores the value, if the lease still holds, and ends the lease. @returns whether it was stored */
  async set(entry: Parameters<OrderedCommands['setUnderLease']>[0], basis: Pick<LeaseClaim, 'digest' | 'mayBeGone'>): Promise<boolean> {
    try {
      const wasStored = await this.#context.commands.setUnderLease(entry, { lease: this.#held.key, token: this.#held.token, ...basis });
      this.#say(wasStored ? 'ended, with a value' : 'ended, and nothing was stored: it was lost, or the entry was changed');
      return wasStored;
    } finally {
      clearInterval(this.#timer);
    }
  }

  /** Deletes the entry, if it is unchanged and the lease still holds, and ends the lease. @returns whether it was deleted */
  async unlink(key: string, digest: string, mark: LeaseMark): Promise<boolean> {
    try {
      const wasDeleted = await this.#context.commands.unlinkUnderLease(
        key,
        { lease: this.#held.key, token: this.#held.token, digest },
        mark,
      );
      this.#say('ended, without a value');
      return wasDeleted;
    } finally {
      clearInterval(this.#timer);
    }
  }

  /** Releases the lease. A `mark` tells waiting callers how the load ended. Never rejects. */
  end(mark?: LeaseMark): Promise<void> {
    clearInterval(this.#timer);
    this.#say('released');
    return this.#context.releases.add(this.#held, mark);
  }

  /** Neither key nor token is shown: a number tells the leases of this process apart. */
  #say(what: string): void {
    debug(() => `lease ${this.#number}: ${what}`);
  }
}

/** How many leases this process has claimed. */
let claimed = 0;

/** How Redis answers if it does not run the script, or finds a key of another type. The next claim gets the same answer. */
const permanentRefusals: ReadonlySet<string> = new Set(['ERR_COMMAND', 'ERR_PERMISSION']);
let hasWarned = false;

function withoutLease(reason: string): undefined {
  if (hasWarned) return;
  hasWarned = true;
  warn(`getOrSet runs without a lease, each process for itself: ${reason}`, 'REDIS_TIER_LEASE');
}

/** How the load of another process ended, for callers that waited for it. */
export type LoadEnd =
  /** Its function found nothing and gave this. */
  | { readonly kind: 'nothing'; readonly value: null | undefined }
  /** It failed, or gave a value that is not stored. */
  | { readonly kind: 'unshared' };

/** How long a mark stays: longer than the longest pause between two polls of a waiting caller. */
const markTime: Milliseconds = 3000;

const texts = { undefined: `${markStart}0`, null: `${markStart}n`, unshared: `${markStart}x` } as const;

const ends: Readonly<Record<string, LoadEnd>> = {
  [texts.undefined]: { kind: 'nothing', value: undefined },
  [texts.null]: { kind: 'nothing', value: null },
};

/** The mark of a load that failed, or gave a value that is not stored. */
export const unsharedMark: LeaseMark = { text: texts.unshared, time: markTime };

/** The mark of a load that gave a value which is not cacheable. */
export function uncacheableMark(value: unknown): LeaseMark {
  if (value !== undefined && value !== null) return unsharedMark;
  return { text: value === null ? texts.null : texts.undefined, time: markTime };
}

/** The mark of a refresh that failed: no process refreshes during `cooldown`. */
export function cooldownMark(cooldown: Milliseconds): LeaseMark {
  return { text: markStart, time: cooldown };
}

/**
 * How loads ended since the lease was held as `before`. The next holder carries a mark on behind its token, so that no caller misses it,
 * however late it polls. @returns `undefined` if none has ended
 */
export function endSince(before: string | undefined, holder: string): LoadEnd | undefined {
  if (before === undefined || holder === before) return undefined;
  const at = holder.indexOf(markStart);
  return at < 0 ? undefined : (ends[holder.slice(at, at + 2)] ?? { kind: 'unshared' });
}
