import type { BreakerOptions } from '../connection/breaker.js';
import type { ParserClass } from '../connection/parser.js';
import type { Pool, PoolClass } from '../connection/pool.js';
import type { Target } from '../connection/target.js';
import { expected, OptionError } from '../errors.js';
import type { TagSettings } from '../extras/tags.js';
import type { TagsOf } from '../extras/write-options.js';
import type { OnFailure } from '../failure.js';
import { type NearSettings, parseNear } from '../near/options.js';
import type { StoreOptions } from '../options.js';
import type { Milliseconds } from '../ttl.js';
import { check } from './check.js';
import { checkNames } from './names.js';
import { parsePool, parseTarget } from './where.js';

/** Milliseconds that a timer takes: beyond this Node's fire at once. */
const longest = 2 ** 31 - 1;

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
  if (typeof options !== 'object' || options === null)
    throw new OptionError(expected('options', 'an object', options === null ? null : typeof options));
  checkNames(options, extra);
  const {
    prefix = options.keyPrefix ?? standardPrefix,
    version,
    timeout = 1000,
    breaker = {},
    maxPending = 50_000,
    onFailure = 'miss',
    isCacheable = (): boolean => true,
  } = options;
  check('prefix', 'a string without lone surrogates', prefix, typeof prefix === 'string' && prefix.isWellFormed());
  check('keyPrefix', 'the same as `prefix`', options.keyPrefix, options.keyPrefix === undefined || options.keyPrefix === prefix);
  check(
    'version',
    'a string that is not empty or an integer ≥ 0',
    version,
    version === undefined ||
      (typeof version === 'string' && version !== '' && version.isWellFormed()) ||
      (Number.isSafeInteger(version) && (version as number) >= 0),
  );
  check(
    'timeout',
    `a number of milliseconds > 0 and ≤ ${longest}`,
    timeout,
    typeof timeout === 'number' && timeout > 0 && timeout <= longest,
  );
  check('breaker', 'false or an object', breaker, breaker === false || (typeof breaker === 'object' && breaker !== null));
  check('maxPending', 'an integer ≥ 1', maxPending, Number.isInteger(maxPending) && maxPending >= 1);
  check('onFailure', "'miss' or 'throw'", onFailure, onFailure === 'miss' || onFailure === 'throw');
  check(
    'parser',
    "'auto' or a parser class",
    options.parser,
    [undefined, 'auto'].includes(options.parser as never) || typeof options.parser === 'function',
  );
  check(
    'RESP',
    '2 where `parser` is given',
    options.RESP,
    options.parser === undefined || options.RESP === undefined || options.RESP === 2,
  );
  check('clientSideCache', 'left out where `near` is given', 'a cache of node-redis', !options.near || !options.clientSideCache);
  check('batch', 'false or an object', options.batch, !options.batch || typeof options.batch === 'object');
  check('invalidations', "'reject' or 'queue'", options.invalidations, [undefined, 'reject', 'queue'].includes(options.invalidations));
  check('max', 'an integer ≥ 1', options.max, options.max === undefined || (Number.isInteger(options.max) && options.max >= 1));
  const { tags, lazyClear = false } = options;
  check('tags', 'true or a function', tags, tags === undefined || tags === true || typeof tags === 'function');
  check('lazyClear', 'a boolean', lazyClear, typeof lazyClear === 'boolean');
  for (const name of ['isCacheable', 'keyFunction', 'parseKey'] as const) {
    check(name, 'a function', options[name], options[name] === undefined || typeof options[name] === 'function');
  }
  check('parseKey', 'given together with `keyFunction`', options.parseKey, !options.parseKey || options.keyFunction !== undefined);
  return {
    target: parseTarget(options),
    pool: parsePool(options),
    parser: options.parser,
    timeout,
    breaker,
    maxPending,
    prefix,
    version: version === undefined ? undefined : String(version),
    onFailure,
    isCacheable,
    tagsOf: typeof tags === 'function' ? tags : undefined,
    tagging: { lazy: lazyClear, exact: tags !== undefined || lazyClear },
    near: parseNear(options.near),
  };
}
