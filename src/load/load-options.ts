import { checkTagsOfEntry } from '../cache/call-options.js';
import { callOptions, checkArgument, type NamesOf } from '../checks.js';
import {
  checkTime,
  type Duration,
  type DurationText,
  type Milliseconds,
  milliseconds,
  type RedisTtl,
  redisTtl,
  type Ttl,
  type TtlPolicy,
} from '../ttl.js';
import { maxTerms } from './renewals.js';

/** The options of `getOrSet`, in place of a time to live. */
export interface GetOrSetOptions {
  /** Time to live: milliseconds, or text such as `'5m'`; `0`, `null` or `Infinity` for an entry that never expires. Default: that of the store. */
  readonly ttl?: Ttl;
  /**
   * What the value depends on, beside the option `tags` of the store. `invalidateTags` with any of these makes the entry a miss, also if it
   * was called while the function ran. Default: none.
   */
  readonly tags?: readonly string[] | undefined;
  /**
   * How many milliseconds after `ttl` the old value is served while one call of the function refreshes it, ≥ 0. Redis keeps the entry for
   * `ttl + staleFor`. Default 0: never. It has no meaning for an entry that never expires.
   */
  readonly staleFor?: Duration | undefined;
  /**
   * Refreshes in the background before the end: when less than this many milliseconds of `ttl` are left; or, with `{ beta }` > 0, at random,
   * earlier the longer the function takes (XFetch; 1 suits most). Default: never.
   */
  readonly refreshAhead?: Duration | { readonly beta: number } | undefined;
  /**
   * One call of the function at a time in all processes. How many milliseconds a process that died blocks the others, ≥ 100. The lease is
   * renewed while the function runs, ten times over at most. `false`: each process calls for itself and does not see deletions of others
   * meanwhile. Default 10 000. Redis: SET PX in a script.
   */
  readonly lease?: Duration | false | undefined;
  /** How many milliseconds to wait for a new value if an old one can be served, ≥ 0. Default 0. */
  readonly softTimeout?: Duration | undefined;
  /**
   * How many milliseconds to wait at all, ≥ 1; then the call rejects with a FactoryTimeoutError. The function goes on, and its result is
   * stored. Default: without end.
   */
  readonly hardTimeout?: Duration | undefined;
  /**
   * Takes no value that was stored before: calls the function, and stores its result in place of the old one. Calls with `fresh` share one
   * call of the function with each other, in all processes. Default false.
   */
  readonly fresh?: boolean | undefined;
}

/** The options of one call, checked. */
export interface LoadPlan {
  readonly ttl: Ttl;
  readonly tags: readonly string[];
  readonly staleFor: Milliseconds;
  readonly lease: Milliseconds | false;
  readonly softTimeout: Milliseconds;
  readonly hardTimeout: Milliseconds | undefined;
  readonly fresh: boolean;
  /** Whether the time left is read with the entry. */
  readonly needsTtl: boolean;
  /** Whether the cost of the function is stored with the entry. */
  readonly storesCost: boolean;
  /** Whether to refresh an entry that is fresh for `left` milliseconds still. */
  readonly isDueEarly: (left: Milliseconds, cost: Milliseconds, random: () => number) => boolean;
  /** How long no process refreshes after a refresh failed. */
  readonly cooldown: Milliseconds;
}

const defaultLease: Milliseconds = 10_000;
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
  fresh: true,
};

/** @throws {ArgumentError} for what cannot be understood */
export function parseLoadOptions(ttlOrOptions: Ttl | GetOrSetOptions): LoadPlan {
  const options =
    typeof ttlOrOptions === 'object' && ttlOrOptions !== null ? callOptions('getOrSet', ttlOrOptions, known) : { ttl: ttlOrOptions };
  const { ttl, tags, refreshAhead, fresh = false } = options;
  const [staleFor, softTimeout] = [milliseconds(options.staleFor, 0), milliseconds(options.softTimeout, 0)];
  const [lease, hardTimeout] = [milliseconds(options.lease, defaultLease), milliseconds(options.hardTimeout)];
  if (ttl !== undefined) redisTtl(ttl);
  checkTime('staleFor', staleFor, 0);
  checkTime('softTimeout', softTimeout, 0);
  if (lease !== false) checkTime('lease', lease, 100);
  if (hardTimeout !== undefined) checkTime('hardTimeout', hardTimeout, 1);
  checkArgument('fresh', 'a boolean', fresh, typeof fresh === 'boolean');
  const { isDueEarly, leadTime, storesCost } = parseRefreshAhead(milliseconds(refreshAhead));
  return {
    ttl,
    tags: tags === undefined ? none : [...new Set(checkTagsOfEntry(tags))],
    staleFor: Math.ceil(staleFor),
    lease: lease === false ? false : Math.ceil(lease),
    softTimeout,
    hardTimeout,
    fresh,
    needsTtl: staleFor > 0 || isDueEarly !== never,
    storesCost,
    isDueEarly,
    cooldown: Math.ceil(Math.min(10_000, Math.max(100, (staleFor + leadTime) / 10))),
  };
}

/**
 * How long the tags of a load have to live, which are read before its function runs: as long as the lease may be held, and then as long as
 * the entry. An entry whose time to live is not known yet extends them when it is written.
 */
export function tagLifetime({ ttl, staleFor, lease }: LoadPlan, policy: TtlPolicy): RedisTtl {
  const time = ttl === undefined ? 0 : policy(ttl);
  return time === undefined ? undefined : (lease || defaultLease) * maxTerms + time + staleFor;
}

function parseRefreshAhead(
  option: Exclude<GetOrSetOptions['refreshAhead'], DurationText>,
): Pick<LoadPlan, 'isDueEarly' | 'storesCost'> & { leadTime: Milliseconds } {
  if (option === undefined) return { isDueEarly: never, leadTime: 0, storesCost: false };
  if (typeof option === 'object' && option !== null) {
    const { beta } = callOptions('refreshAhead', option as { beta: number }, { beta: true });
    const isPositive = typeof beta === 'number' && beta > 0 && beta < Number.POSITIVE_INFINITY;
    checkArgument('refreshAhead.beta', 'a number > 0', beta, isPositive);
    return { isDueEarly: (left, cost, random) => dueEarly(left, cost, beta, random()), leadTime: 0, storesCost: true };
  }
  checkTime('refreshAhead', option, 0);
  return { isDueEarly: option === 0 ? never : (left) => left < option, leadTime: option, storesCost: false };
}

/**
 * XFetch (Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede Prevention"): whether a read refreshes the value before
 * its end. Each read draws a lead of `-cost · beta · ln(random)` milliseconds, and the first whose lead exceeds the time left refreshes. So
 * an expensive value is refreshed earlier, and rarely by two reads at once.
 *
 * @param left milliseconds until the value is stale
 * @param cost milliseconds that the function took
 * @param beta 1 suits most; more is earlier, less is later
 * @param random from 0 to 1
 */
export function dueEarly(left: Milliseconds, cost: Milliseconds, beta: number, random: number): boolean {
  return -cost * beta * Math.log(random) >= left;
}
