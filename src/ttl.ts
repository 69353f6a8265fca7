import ms from 'ms';
import { check, checkArgument, functionFailed, wrongArgument } from './checks.js';
import { OptionError } from './errors.js';
import { expected } from './messages.js';

/** A duration in milliseconds. */
export type Milliseconds = number;

/** A duration as text: `'500ms'`, `'90s'`, `'5m'`, `'2h'`, `'1d'`, `'1w'`. */
export type DurationText = `${number}${'ms' | 's' | 'm' | 'h' | 'd' | 'w'}`;

/** A duration as callers give it: milliseconds, or text such as `'90s'`. */
export type Duration = Milliseconds | DurationText;

/** A time to live of a call. `0`, `null` and `Infinity`: the entry never expires. `undefined`: the default. */
export type Ttl = Duration | null | undefined;

/** The package `ms` takes no longer text. */
const maxLength = 100;
const duration = /^\d+(\.\d+)?(ms|[smhdw])$/;

/**
 * Text such as `'90s'` in milliseconds, and `standard` for `undefined`. Everything else stays as it is, for the check that follows.
 */
export function milliseconds<T, Standard = undefined>(
  time: T,
  standard?: Standard,
): Exclude<T, DurationText | undefined> | Milliseconds | Standard {
  if (time === undefined) return standard as Standard;
  return typeof time === 'string' && time.length <= maxLength && duration.test(time)
    ? ms(time as DurationText)
    : (time as Exclude<T, DurationText | undefined>);
}

/** The longest delay of Node's timers: a timer with a longer one fires at once. */
export const maxTimerDelay: Milliseconds = 2 ** 31 - 1;

/** A number of milliseconds that a timer can wait. @throws {ArgumentError} for anything else */
export function checkTime(name: string, time: unknown, min: Milliseconds): void {
  if (typeof time === 'number' && time >= min && time <= maxTimerDelay) return;
  throw wrongArgument(name, `a number of milliseconds ≥ ${min} and ≤ ${maxTimerDelay}, or text such as '90s'`, time);
}

/** A time to live as Redis takes it: whole milliseconds ≥ 1, or `undefined` for never. */
export type RedisTtl = Milliseconds | undefined;

/** The time to live of an entry that is written: the one that the entry before it has left, and `otherwise` if there is none. */
export interface KeptTtl {
  readonly otherwise: RedisTtl;
  /** The option `maxTtl`. */
  readonly max?: RedisTtl;
}

/** The options for times to live. */
export interface TtlOptions {
  /** The time to live of entries: milliseconds, or text such as `'5m'`, ≥ 0, or a function of the value that returns it. Default: entries never expire. */
  readonly ttl?: Ttl | ((value: unknown) => Ttl);
  /** Takes off a random share of every time to live, up to this one, 0 to 1: entries written together then expire apart. Default 0. */
  readonly ttlJitter?: number | undefined;
  /** Upper bound of every time to live, > 0: milliseconds, or text such as `'5m'`; also for entries that would never expire. Default: none. */
  readonly maxTtl?: Duration | undefined;
}

/** Turns the time to live of a call into the one for Redis. */
export type TtlPolicy = (ttl: Ttl, value?: unknown) => RedisTtl;

/** With a longer time to live, clock + ttl is no exact integer any more. */
const forever = Number.MAX_SAFE_INTEGER / 2;

/** Checks a time to live and rounds it up to whole milliseconds. @throws {ArgumentError} for anything but a number ≥ 0 or null */
export function redisTtl(ttl: Duration | null): RedisTtl {
  if (ttl === null) return undefined;
  const time = typeof ttl === 'string' ? milliseconds(ttl) : ttl;
  if (time === 0) return undefined;
  checkArgument('ttl', "a number of milliseconds ≥ 0, text such as '90s', null or Infinity", ttl, typeof time === 'number' && time > 0);
  return time > forever ? undefined : Math.ceil(time);
}

/** Applies default, upper bound and jitter. @throws {OptionError} for a wrong option */
export function ttlPolicy(options: TtlOptions, random: () => number = Math.random): TtlPolicy {
  const { ttl: standard, ttlJitter = 0 } = options;
  const maxTtl = milliseconds(options.maxTtl);
  check('ttlJitter', 'a number from 0 to 1', ttlJitter, typeof ttlJitter === 'number' && ttlJitter >= 0 && ttlJitter <= 1);
  check('maxTtl', 'a number of milliseconds > 0', maxTtl, maxTtl === undefined || (typeof maxTtl === 'number' && maxTtl > 0));
  if (typeof standard !== 'function' && standard !== undefined) {
    try {
      redisTtl(standard);
    } catch {
      throw new OptionError(expected('ttl', "a number of milliseconds ≥ 0, text such as '90s', null, Infinity or a function", standard));
    }
  }
  const cap = maxTtl === undefined ? undefined : redisTtl(maxTtl);

  return (ttl, value) => {
    let lifetime =
      typeof standard === 'function' && ttl === undefined
        ? ofValue(standard, value)
        : redisTtl(((ttl === undefined ? standard : ttl) as Ttl) ?? null);
    if (cap !== undefined && (lifetime === undefined || lifetime > cap)) lifetime = cap;
    if (ttlJitter > 0 && lifetime !== undefined) lifetime = Math.max(1, Math.ceil(lifetime * (1 - ttlJitter * random())));
    return lifetime;
  };
}

/** The result of the function in the option. The caller is not to blame for its errors, so they fail by the failure policy. */
function ofValue(standard: (value: unknown) => Ttl, value: unknown): RedisTtl {
  try {
    return redisTtl(standard(value) ?? null);
  } catch (cause) {
    throw functionFailed('ttl', cause);
  }
}
