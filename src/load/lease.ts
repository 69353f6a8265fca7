import { randomUUID } from 'node:crypto';
import type { CacheContext } from '../cache/context.js';
import { freshStart, type LeaseClaim, type LeaseMark, markStart, type NewLease, type OrderedCommands } from '../commands/commands.js';
import type { Held } from '../commands/release-queue.js';
import { CommandError, UnsupportedError } from '../errors.js';
import { warn } from '../messages.js';
import { debug } from '../telemetry/outages.js';
import type { Milliseconds } from '../ttl.js';
import { type Renewable, Renewals } from './renewals.js';

type LeaseContext = Pick<CacheContext, 'commands' | 'background' | 'releases'>;

/** The right of one process to make the value of a key: a key in Redis that holds a token until it expires. */
export class Lease implements Renewable {
  readonly #context: LeaseContext;
  readonly #held: Held;
  readonly #number = ++claimed;
  readonly #renewals: Renewals;

  /** `seesEntry`: whether the entry existed when the lease was claimed. */
  private constructor(
    context: LeaseContext,
    held: Held,
    readonly seesEntry: boolean,
  ) {
    this.#context = context;
    this.#held = held;
    this.#say(`claimed for ${held.time} ms`);
    this.#renewals = Renewals.of(held.time);
    this.#renewals.begin(this);
  }

  /** @internal */
  renew(): void {
    const { key, token, time } = this.#held;
    this.#context.commands.renew(key, token, time).then(
      (isOurs) => {
        if (isOurs) return;
        this.#renewals.end(this);
        this.#say('lost: it expired or was deleted');
      },
      () => {},
    );
  }

  /**
   * `key`: of the lease, for the entry under `redisKey`. `urgent`: also after a refresh that failed lately. `fresh`: also from a load that is
   * not fresh.
   *
   * @returns the lease; or what the key holds if another process has it; `undefined` if there can be no lease, which one warning reports
   */
  static claim(
    context: LeaseContext,
    key: string,
    redisKey: string,
    { time, urgent, fresh }: Omit<NewLease, 'token'>,
  ): Promise<Lease | string | undefined> {
    const token = `${fresh ? freshStart : ''}${randomUUID()}`;
    const wasReachable = context.releases.isReachable();
    return context.commands.claim(key, redisKey, { token, time, urgent, fresh }).then(
      (claimed) => {
        if (typeof claimed === 'boolean') return new Lease(context, { key, token, time }, claimed);
        if (claimed === '') return withoutLease('a key that is no lease, because it never expires or is too long, is in its place');
        debug(() => 'lease: another process has it');
        return claimed;
      },
      (error: unknown) => {
        // Redis refuses scripts, as another warning says.
        if (error instanceof UnsupportedError) return undefined;
        if (error instanceof CommandError && permanentRefusals.has(error.code)) return withoutLease(error.message);
        debug(() => `lease: not claimed, ${(error as { code?: string }).code}`);
        if (wasReachable) context.background.add(context.releases.addLost({ key, token, time }, error));
        throw error;
      },
    );
  }

  /** Stores the value, if the lease still holds, and ends the lease. @returns whether it was stored */
  set(entry: Parameters<OrderedCommands['setUnderLease']>[0], basis: Pick<LeaseClaim, 'digest' | 'mayBeGone'>): Promise<boolean> {
    const { key: lease, token } = this.#held;
    return this.#context.commands.setUnderLease(entry, { lease, token, ...basis }).then(
      (wasStored) => {
        this.#renewals.end(this);
        this.#say(wasStored ? 'ended, with a value' : 'ended, and nothing was stored: it was lost, or the entry was changed');
        return wasStored;
      },
      (error: unknown) => {
        this.#renewals.end(this);
        throw error;
      },
    );
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
      this.#renewals.end(this);
    }
  }

  /** Releases the lease. A `mark` tells waiting callers how the load ended. Never rejects. */
  end(mark?: LeaseMark): Promise<void> {
    this.#renewals.end(this);
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
