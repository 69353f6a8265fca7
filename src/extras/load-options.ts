import { callOptions, type NamesOf } from '../call-options.js';
import { ArgumentError, expected } from '../errors.js';
import { type Milliseconds, maxTimerDelay, type Ttl, type TtlPolicy, type WireTtl, wireTtl } from '../ttl.js';
import { dueEarly } from './early.js';
import { terms } from './lease.js';
import { checkTags } from './tags.js';

/** What `getOrSet` takes in place of a time to live. */
export interface GetOrSetOptions {
  /** Time to live in milliseconds; `0`, `null` or `Infinity` for ever. Default: the store's. */
  readonly ttl?: Ttl;
  /**
   * What the value depends on, beside what the option `tags` of the store says: `invalidateTags` with any of these makes the entry a
   * miss, also where it was called while the function ran.
   */
  readonly tags?: readonly string[] | undefined;
  /**
   * For how many milliseconds beyond `ttl` the old value is served while one call of the function makes a new one, ≥ 0. Redis
   * keeps the entry for `ttl + staleFor`. Default 0: not at all. Without meaning for entries that never expire.
   */
  readonly staleFor?: Milliseconds | undefined;
  /**
   * Renews in the background before the end: where less than so many milliseconds of `ttl` are left, or, with `{ beta }` > 0, at
   * random, earlier the longer the function takes (XFetch; 1 is right for most). Default: not.
   */
  readonly refreshAhead?: Milliseconds | { readonly beta: number } | undefined;
  /**
   * One call of the function at a time in all processes: for how many milliseconds a process that died keeps the others waiting,
   * ≥ 100. The lease is renewed while the function runs, at most ten times over. `false`: each process calls for itself, and
   * deletions by others meanwhile go unseen. Default 10 000. Redis: SET PX in a script.
   */
  readonly lease?: Milliseconds | false | undefined;
  /** How many milliseconds to wait for a new value where an old one could be served, ≥ 0. Default 0. */
  readonly softTimeout?: Milliseconds | undefined;
  /**
   * How many milliseconds to wait at all, > 0; then the call rejects with a FactoryTimeoutError. The function goes on and what it gives
   * is stored. Default: for ever.
   */
  readonly hardTimeout?: Milliseconds | undefined;
}

/** The options of one call, checked. */
export interface LoadPlan {
  readonly ttl: Ttl;
  readonly tags: readonly string[];
  readonly staleFor: Milliseconds;
  readonly lease: Milliseconds | false;
  readonly soft: Milliseconds;
  readonly hard: Milliseconds | undefined;
  /** Whether the time left has to be read with the value. */
  readonly timed: boolean;
  /** Whether the cost of the function has to be stored with the value. */
  readonly costed: boolean;
  /** Whether to renew a value that is fresh for so long still. */
  readonly early: (left: Milliseconds, cost: Milliseconds, random: () => number) => boolean;
  /** For how long nobody tries again where renewing failed. */
  readonly rest: Milliseconds;
}

/** What `lease` is where it is left out. */
const usualLease: Milliseconds = 10_000;
const never = (): boolean => false;
const none: readonly string[] = [];

const known: NamesOf<GetOrSetOptions> = {
  ttl: true,
  tags: true,
  staleFor: true,
  refreshAhead: true,
  lease: true,
  softTimeout: true,
  hardTimeout: true,
};

/** @throws {ArgumentError} for what cannot be understood */
export function parseLoadOptions(given: Ttl | GetOrSetOptions): LoadPlan {
  const options = typeof given === 'object' && given !== null ? callOptions('getOrSet', given, known) : { ttl: given };
  const { ttl, tags, staleFor = 0, refreshAhead, lease = usualLease, softTimeout = 0, hardTimeout } = options;
  if (ttl !== undefined) wireTtl(ttl);
  number('staleFor', staleFor, 0);
  number('softTimeout', softTimeout, 0);
  if (lease !== false) number('lease', lease, 100);
  if (hardTimeout !== undefined) number('hardTimeout', hardTimeout, 1);
  const { early, ahead, costed } = aheadOf(refreshAhead);
  return {
    ttl,
    tags: tags === undefined ? none : [...new Set(checkTags(tags))],
    staleFor: Math.ceil(staleFor),
    lease: lease === false ? false : Math.ceil(lease),
    soft: softTimeout,
    hard: hardTimeout,
    timed: staleFor > 0 || early !== never,
    costed,
    early,
    rest: Math.ceil(Math.min(10_000, Math.max(100, (staleFor + ahead) / 10))),
  };
}

/**
 * How long the tags of a load have to live, which are read before its function runs: as long as a lease is held, and then as long as the
 * entry. One whose time to live is not known yet extends them when it is written.
 */
export function lifeOf({ ttl, staleFor, lease }: LoadPlan, policy: TtlPolicy): WireTtl {
  const time = ttl === undefined ? 0 : policy(ttl);
  return time === undefined ? undefined : (lease || usualLease) * terms + time + staleFor;
}

function aheadOf(option: GetOrSetOptions['refreshAhead']): Pick<LoadPlan, 'early' | 'costed'> & { ahead: Milliseconds } {
  if (option === undefined) return { early: never, ahead: 0, costed: false };
  if (typeof option === 'object' && option !== null) {
    const { beta } = callOptions('refreshAhead', option as { beta: number }, { beta: true });
    if (!(typeof beta === 'number' && beta > 0 && beta < Number.POSITIVE_INFINITY)) {
      throw new ArgumentError(expected('refreshAhead.beta', 'a number > 0', beta));
    }
    return { early: (left, cost, random) => dueEarly(left, cost, beta, random()), ahead: 0, costed: true };
  }
  number('refreshAhead', option, 0);
  return { early: option === 0 ? never : (left) => left < option, ahead: option, costed: false };
}

function number(name: string, value: unknown, least: number): void {
  if (typeof value === 'number' && value >= least && value <= maxTimerDelay) return;
  throw new ArgumentError(expected(name, `a number of milliseconds ≥ ${least} and ≤ ${maxTimerDelay}`, value));
}
