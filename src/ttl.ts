import { ArgumentError, expected, functionFailed, OptionError } from './errors.js';

/** A duration in milliseconds. */
export type Milliseconds = number;

/**
 * A time to live as a caller may give it: milliseconds; `0`, `null` or `Infinity` for an entry that never expires;
 * `undefined` for the default.
 */
export type Ttl = Milliseconds | null | undefined;

/** The longest that Node's timers wait. What is longer fires at once. */
export const maxTimerDelay: Milliseconds = 2 ** 31 - 1;

/** A time to live as Redis takes it: whole milliseconds ≥ 1, or `undefined` for never. */
export type WireTtl = Milliseconds | undefined;

export interface TtlOptions {
  /** The default, or a function of the value that gives it. Default: entries never expire. */
  readonly ttl?: Ttl | ((value: unknown) => Ttl);
  /** Share of the time to live that is taken off at random, 0 to 1, so that entries written together do not expire together. Default 0. */
  readonly ttlJitter?: number | undefined;
  /** Upper bound in milliseconds of every time to live, entries that would never expire included. Default: none. */
  readonly maxTtl?: Milliseconds | undefined;
}

/** Turns the time to live of a call into the one that goes over the wire. */
export type TtlPolicy = (ttl: Ttl, value?: unknown) => WireTtl;

/** Beyond this the sum of clock and ttl would leave the range of exact integers: longer than anybody waits. */
const forever = Number.MAX_SAFE_INTEGER / 2;

/** Checks a time to live and rounds it up to whole milliseconds; `undefined` means that the entry never expires. */
export function wireTtl(ttl: Milliseconds | null): WireTtl {
  if (ttl === null || ttl === 0) return undefined;
  if (typeof ttl !== 'number' || !(ttl > 0)) {
    throw new ArgumentError(expected('ttl', 'a number of milliseconds ≥ 0, null or Infinity', ttl));
  }
  return ttl > forever ? undefined : Math.ceil(ttl);
}

export function ttlPolicy(options: TtlOptions, random: () => number = Math.random): TtlPolicy {
  const { ttl: standard, ttlJitter = 0, maxTtl } = options;
  if (!(typeof ttlJitter === 'number' && ttlJitter >= 0 && ttlJitter <= 1)) {
    throw new OptionError(expected('ttlJitter', 'a number from 0 to 1', ttlJitter));
  }
  if (maxTtl !== undefined && !(typeof maxTtl === 'number' && maxTtl > 0)) {
    throw new OptionError(expected('maxTtl', 'a number of milliseconds > 0', maxTtl));
  }
  if (typeof standard !== 'function' && standard !== undefined) {
    try {
      wireTtl(standard);
    } catch {
      throw new OptionError(expected('ttl', 'a number of milliseconds ≥ 0, null, Infinity or a function', standard));
    }
  }
  const cap = maxTtl === undefined ? undefined : wireTtl(maxTtl);

  return (ttl, value) => {
    let wire =
      typeof standard === 'function' && ttl === undefined
        ? ofValue(standard, value)
        : wireTtl(((ttl === undefined ? standard : ttl) as Ttl) ?? null);
    if (cap !== undefined && (wire === undefined || wire > cap)) wire = cap;
    if (ttlJitter > 0 && wire !== undefined) wire = Math.max(1, Math.ceil(wire * (1 - ttlJitter * random())));
    return wire;
  };
}

/** What the user's function gives. Its mistakes are none of the caller's, so they fail as the operation does. */
function ofValue(standard: (value: unknown) => Ttl, value: unknown): WireTtl {
  try {
    return wireTtl(standard(value) ?? null);
  } catch (cause) {
    throw functionFailed('ttl', cause);
  }
}
