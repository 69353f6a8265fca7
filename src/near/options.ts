import { expected, OptionError } from '../errors.js';
import { isOptions, onlyKnown } from '../known-names.js';
import type { Milliseconds } from '../ttl.js';

/** The option `near`: an in-process tier in front of Redis, kept true by the server. */
export interface NearOptions {
  /** The most entries it holds, ≥ 1; known misses count. The least recently used goes first. Default 10 000. */
  readonly max?: number | undefined;
  /** The most bytes of keys and stored values it holds, ≥ 1. Decoded values (`freeze`) are not counted. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** The longest an entry is kept, in milliseconds > 0. Default: as long as in Redis. Never longer than that. */
  readonly ttl?: Milliseconds | undefined;
  /**
   * Share one decoded value among all callers of `get` and `mget`, deeply frozen, in place of decoding for each. Plain objects and
   * arrays are shared; values that cannot be frozen (a Buffer, a Map, a Date …) are decoded for each caller. Default false.
   */
  readonly freeze?: boolean | undefined;
  /**
   * For how long entries are still served after the connection that keeps them true was lost, in milliseconds ≥ 0.
   * Default 0: they are dropped at once.
   */
  readonly maxStaleness?: Milliseconds | undefined;
}

/** The option, checked and complete. */
export interface NearSettings {
  readonly max: number;
  readonly maxBytes: number;
  readonly ttl: Milliseconds;
  readonly freeze: boolean;
  readonly maxStaleness: Milliseconds;
}

const known: Record<keyof NearOptions, true> = { max: true, maxBytes: true, ttl: true, freeze: true, maxStaleness: true };

/** @throws {OptionError} for what cannot be understood */
export function parseNear(options: NearOptions | false | undefined): NearSettings | undefined {
  if (options === undefined || options === false) return undefined;
  check('', 'an object or false', options, isOptions(options));
  onlyKnown('near', options, known);
  const { max = 10_000, maxBytes = 64 * 2 ** 20, ttl = Number.POSITIVE_INFINITY, freeze = false, maxStaleness = 0 } = options;
  check('.max', 'an integer ≥ 1', max, Number.isSafeInteger(max) && max >= 1);
  check('.maxBytes', 'an integer ≥ 1', maxBytes, Number.isSafeInteger(maxBytes) && maxBytes >= 1);
  check('.ttl', 'a number of milliseconds > 0', ttl, typeof ttl === 'number' && ttl > 0);
  check('.freeze', 'a boolean', freeze, typeof freeze === 'boolean');
  check('.maxStaleness', 'a number of milliseconds ≥ 0', maxStaleness, Number.isFinite(maxStaleness) && maxStaleness >= 0);
  return { max, maxBytes, ttl, freeze, maxStaleness };
}

function check(name: string, what: string, got: unknown, ok: boolean): void {
  if (!ok) throw new OptionError(expected(`near${name}`, what, got));
}
