import { checkBatch } from '../commands/batching.js';
import { type BreakerOptions, checkBreaker } from '../connection/breaker.js';
import { kindOf } from '../connection/given.js';
import type { ParserClass } from '../connection/parser.js';
import type { Pool, PoolClass } from '../connection/pool.js';
import type { GivenClient, Target } from '../connection/target.js';
import { functionFailed, OptionError } from '../errors.js';
import type { TagSettings } from '../extras/tags.js';
import type { TagsOf } from '../extras/write-options.js';
import type { OnFailure } from '../failure.js';
import { isVersion, versions } from '../keys/keyspace.js';
import { isOptions } from '../known-names.js';
import { type NearSettings, parseNear } from '../near/options.js';
import type { ConnectionOptions, StoreOptions } from '../options.js';
import { type Milliseconds, maxTimerDelay } from '../ttl.js';
import { check } from './check.js';
import { checkNames, checkPoolNames } from './names.js';
import { parsePool, parseTarget } from './where.js';

/** Everything the composition root needs to know, checked. */
export interface Settings {
  readonly target: Target;
  readonly pool: { readonly class: PoolClass; readonly kwargs: object } | Pool | undefined;
  readonly parser: ParserClass | 'auto' | undefined;
  readonly timeout: Milliseconds;
  readonly breaker: BreakerOptions | false;
  readonly maxPending: number;
  readonly prefix: string;
  readonly version: string | undefined;
  readonly onFailure: OnFailure;
  readonly isCacheable: (value: unknown) => boolean;
  readonly tagsOf: TagsOf | undefined;
  readonly tagging: TagSettings;
  readonly near: NearSettings | undefined;
}

/** Checks the options once, so that nothing after it has to. `extra` names options that the face knows beyond these. */
export function parseOptions(options: StoreOptions, extra: readonly string[] = [], standardPrefix = 'cache'): Settings {
  checkObject(options);
  checkNames(options, extra);
  return parse(options, standardPrefix);
}

/** The same for `createPool`, which takes the options of a connection and no others. */
export function parsePoolOptions(options: ConnectionOptions): Settings {
  checkObject(options);
  checkPoolNames(options);
  return parse(options, '');
}

function checkObject(options: unknown): void {
  if (kindOf(options as GivenClient) !== undefined) {
    throw new OptionError('expected `options` to be an object, got a client of node-redis: use `{ client }`');
  }
  check('options', "an object, such as `{ location: 'localhost:6379' }`", options, isOptions(options));
}

function parse(options: StoreOptions, standardPrefix: string): Settings {
  const { keyPrefix, max, tags } = options;
  const {
    prefix = keyPrefix ?? standardPrefix,
    version,
    timeout = 1000,
    breaker = {},
    maxPending = 50_000,
    onFailure = 'miss',
    lazyClear = false,
  } = options;
  check('keyPrefix', 'a string', keyPrefix, keyPrefix === undefined || typeof keyPrefix === 'string');
  check('prefix', 'a string without lone surrogates', prefix, typeof prefix === 'string' && prefix.isWellFormed());
  check('keyPrefix', 'the same as `prefix`', keyPrefix, keyPrefix === undefined || keyPrefix === prefix);
  check('version', versions, version, version === undefined || isVersion(version));
  check(
    'timeout',
    `a number of milliseconds > 0 and ≤ ${maxTimerDelay}`,
    timeout,
    typeof timeout === 'number' && timeout > 0 && timeout <= maxTimerDelay,
  );
  check('breaker', 'false or an object', breaker, breaker === false || isOptions(breaker));
  if (breaker) checkBreaker(breaker);
  check('maxPending', 'an integer ≥ 1', maxPending, Number.isInteger(maxPending) && maxPending >= 1);
  check('onFailure', "'miss' or 'throw'", onFailure, onFailure === 'miss' || onFailure === 'throw');
  check(
    'parser',
    "'auto' or a parser class",
    options.parser,
    [undefined, 'auto'].includes(options.parser as never) || typeof options.parser === 'function',
  );
  if (options.batch !== false) checkBatch(options.batch);
  check('invalidations', "'reject' or 'queue'", options.invalidations, [undefined, 'reject', 'queue'].includes(options.invalidations));
  check('tags', 'true or a function', tags, tags === undefined || tags === true || typeof tags === 'function');
  check('lazyClear', 'a boolean', lazyClear, typeof lazyClear === 'boolean');
  check(
    'refreshThreshold',
    'a number of milliseconds or a function',
    options.refreshThreshold,
    [undefined, 'number', 'function'].includes(options.refreshThreshold === undefined ? undefined : typeof options.refreshThreshold),
  );
  for (const name of ['isCacheable', 'onBackgroundRefreshError'] as const) {
    check(name, 'a function', options[name], options[name] === undefined || typeof options[name] === 'function');
  }
  checkKeys(options);
  const target = parseTarget(options);
  check('max', 'an integer ≥ 1', max, max === undefined || (Number.isInteger(max) && max >= 1));
  if (max !== undefined && target.kind !== 'memory') {
    throw new OptionError("expected `max` to be left out: it is for `location: 'memory:'`; the near tier has `near: { max }`");
  }
  return {
    target,
    pool: parsePool(options),
    parser: options.parser,
    timeout,
    breaker,
    maxPending,
    prefix,
    version: version === undefined ? undefined : String(version),
    onFailure,
    isCacheable: cacheable(options.isCacheable),
    tagsOf: typeof tags === 'function' ? tags : undefined,
    tagging: { lazy: lazyClear, exact: tags !== undefined || lazyClear },
    near: parseNear(options.near),
  };
}

/** The options for keys. Without `keyFunction`, `parseKey` and `keyPattern` have no effect; beside it, `hashLongKeys` has none. */
function checkKeys({ keyFunction, parseKey, keyPattern, hashLongKeys }: StoreOptions): void {
  check('keyFunction', 'a function', keyFunction, keyFunction === undefined || typeof keyFunction === 'function');
  check('parseKey', 'a function', parseKey, parseKey === undefined || typeof parseKey === 'function');
  check('keyPattern', 'a string', keyPattern, keyPattern === undefined || typeof keyPattern === 'string');
  check('hashLongKeys', 'a boolean', hashLongKeys, hashLongKeys === undefined || typeof hashLongKeys === 'boolean');
  check('parseKey', 'given together with `keyFunction`', parseKey, !parseKey || keyFunction !== undefined);
  check('keyPattern', 'given together with `keyFunction` and `parseKey`', keyPattern, keyPattern === undefined || parseKey !== undefined);
  check('hashLongKeys', 'left out beside `keyFunction`', hashLongKeys, !hashLongKeys || keyFunction === undefined);
}

/** An error of the user's function fails the operation, by its failure policy. */
function cacheable(own: StoreOptions['isCacheable']): (value: unknown) => boolean {
  if (own === undefined) return () => true;
  return (value) => {
    try {
      return own(value);
    } catch (cause) {
      throw functionFailed('isCacheable', cause);
    }
  };
}
