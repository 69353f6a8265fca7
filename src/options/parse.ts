import type { OnFailure, TagSettings, TagsOf } from '../cache/context.js';
import { check, checkInteger, functionFailed, isOptions, onlyKnown } from '../checks.js';
import { checkBatch } from '../commands/batching.js';
import { checkBreaker } from '../connection/breaker.js';
import { kindOf, type OpenPoolOptions } from '../connection/open.js';
import type { ExternalClient } from '../connection/target.js';
import { OptionError } from '../errors.js';
import { customKeySpace, plainKeys } from '../keys/custom-keys.js';
import { isVersion, type KeySpace, keySpace, keyvSeparator, versions } from '../keys/keyspace.js';
import { warn } from '../messages.js';
import type { NearSettings } from '../near/entry.js';
import type { OfflineSettings } from '../near/offline.js';
import type { Source } from '../telemetry/events.js';
import { maxTimerDelay, milliseconds } from '../ttl.js';
import { parsePool, parseTarget } from './locations.js';
import { checkNames, checkPoolNames } from './names.js';
import type { ConnectionOptions, NearOptions, OfflineOptions, StoreOptions } from './options.js';
import { warnOfSeconds } from './seconds.js';

/** The checked options. */
export interface Settings extends Omit<OpenPoolOptions, 'onError' | 'onBreaker' | 'tracker'> {
  readonly prefix: string;
  readonly version: string | undefined;
  readonly wholeDatabase: boolean;
  readonly onFailure: OnFailure;
  readonly isCacheable: (value: unknown) => boolean;
  readonly tagsOf: TagsOf | undefined;
  readonly tagging: TagSettings;
  readonly near: NearSettings | undefined;
  readonly offline: OfflineSettings | undefined;
}

/** Checks the options. `extra`: names of further options of the face. @throws {OptionError} */
export function parseOptions(options: StoreOptions, extra: readonly string[] = [], standardPrefix = 'cache'): Settings {
  checkObject(options);
  checkNames(options, extra);
  const settings = parse(options, standardPrefix);
  warnOfSeconds(options);
  return settings;
}

/** The same for `createPool`, which takes only the options of a connection. @throws {OptionError} */
export function parsePoolOptions(options: ConnectionOptions): Settings {
  checkObject(options);
  checkPoolNames(options);
  return parse(options, '');
}

function checkObject(options: unknown): void {
  if (kindOf(options as ExternalClient) !== undefined) {
    throw new OptionError('expected `options` to be an object, got a client of node-redis: use `{ client }`');
  }
  check('options', "an object, such as `{ location: 'localhost:6379' }`", options, isOptions(options));
}

function parse(options: StoreOptions, standardPrefix: string): Settings {
  const { keyPrefix, max, tags, parser, invalidations, refreshThreshold } = options;
  const {
    prefix = keyPrefix ?? standardPrefix,
    version,
    breaker = {},
    maxPending = 50_000,
    maxPendingBytes = 64 * 2 ** 20,
    onFailure = 'miss',
    lazyClear = false,
    wholeDatabase = false,
  } = options;
  const timeout = milliseconds(options.timeout, 1000);
  check('keyPrefix', 'a string', keyPrefix, keyPrefix === undefined || typeof keyPrefix === 'string');
  check('prefix', 'a string without lone surrogates', prefix, typeof prefix === 'string' && prefix.isWellFormed());
  check('keyPrefix', 'the same as `prefix`', keyPrefix, keyPrefix === undefined || keyPrefix === prefix);
  check('version', versions, version, version === undefined || isVersion(version));
  const isTimeout = typeof timeout === 'number' && timeout > 0 && timeout <= maxTimerDelay;
  check('timeout', `a number of milliseconds > 0 and ≤ ${maxTimerDelay}`, timeout, isTimeout);
  check('breaker', 'false or an object', breaker, breaker === false || isOptions(breaker));
  if (breaker) checkBreaker(breaker);
  checkInteger('maxPending', maxPending);
  checkInteger('maxPendingBytes', maxPendingBytes);
  check('onFailure', "'miss' or 'throw'", onFailure, onFailure === 'miss' || onFailure === 'throw');
  check('parser', "'auto' or a parser class", parser, parser === undefined || parser === 'auto' || typeof parser === 'function');
  if (options.batch !== false) checkBatch(options.batch);
  check('invalidations', "'reject' or 'queue'", invalidations, [undefined, 'reject', 'queue'].includes(invalidations));
  check('tags', 'true or a function', tags, tags === undefined || tags === true || typeof tags === 'function');
  check('wholeDatabase', 'a boolean', wholeDatabase, typeof wholeDatabase === 'boolean');
  check('lazyClear', 'a boolean', lazyClear, typeof lazyClear === 'boolean');
  const isThreshold = ['undefined', 'number', 'function'].includes(typeof refreshThreshold);
  check('refreshThreshold', 'a number of milliseconds or a function', refreshThreshold, isThreshold);
  for (const name of ['isCacheable', 'onBackgroundRefreshError', 'keyFunction', 'parseKey'] as const) {
    check(name, 'a function', options[name], options[name] === undefined || typeof options[name] === 'function');
  }
  checkKeys(options);
  const target = parseTarget(options);
  if (max !== undefined) checkInteger('max', max);
  const isBounded = max === undefined || target.kind === 'memory';
  check('max', "left out without `location: 'memory:'` (the near tier has `near: { max }`)", max, isBounded);
  return {
    target,
    pool: parsePool(options),
    parser,
    timeout,
    breaker,
    maxPending,
    maxPendingBytes,
    prefix,
    version: version === undefined ? undefined : String(version),
    wholeDatabase,
    onFailure,
    isCacheable: cacheable(options.isCacheable),
    tagsOf: typeof tags === 'function' ? tags : undefined,
    tagging: { lazy: lazyClear, strict: tags !== undefined || lazyClear },
    near: parseNear(options.near),
    offline: parseOffline(options.offline, breaker !== false),
  };
}

/** Checks the options for keys. `parseKey` and `keyPattern` have no effect without `keyFunction`, and `hashLongKeys` has none beside it. */
function checkKeys({ keyFunction, parseKey, keyPattern, hashLongKeys }: StoreOptions): void {
  check('keyPattern', 'a string', keyPattern, keyPattern === undefined || typeof keyPattern === 'string');
  check('hashLongKeys', 'a boolean', hashLongKeys, hashLongKeys === undefined || typeof hashLongKeys === 'boolean');
  check('parseKey', 'given together with `keyFunction`', parseKey, !parseKey || keyFunction !== undefined);
  check('keyPattern', 'given together with `keyFunction` and `parseKey`', keyPattern, keyPattern === undefined || parseKey !== undefined);
  check('hashLongKeys', 'left out beside `keyFunction`', hashLongKeys, !hashLongKeys || keyFunction === undefined);
}

/** The user's function. Its errors fail the operation by its failure policy. */
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

/** The options for keys, with the one that only Keyv has. */
export interface KeyOptions extends StoreOptions {
  readonly keyPrefixSeparator?: string | undefined;
}

/** The key spaces of a store. @throws {OptionError} for a wrong separator, and for tags beside keys that leave no place for them */
export function parseKeySpace(options: KeyOptions, { prefix, version, tagging }: Settings, face: Source['face']) {
  const { hashLongKeys, keyFunction, parseKey, keyPattern } = face === 'store' ? literalPrefix(options) : options;
  const separator = face === 'keyv' ? separatorOf(options) : ':';
  const spaceOf = (prefix: string, version: string | undefined): KeySpace => keySpace({ prefix, version, hashLongKeys, separator });
  const keysOf = (ofVersion: string | undefined): KeySpace => spaceOf(prefix, ofVersion);
  const keys = keyFunction ? customKeySpace((key) => keyFunction(key, prefix, version), parseKey, keyPattern) : keysOf(version);
  const name = tagging.lazy ? 'lazyClear' : 'tags';
  check(name, 'left out beside `keyFunction` and a literal `keyPrefix`', true, !tagging.strict || keys.tags !== undefined);
  return {
    keys,
    keysOf: keyFunction ? undefined : keysOf,
    /** Whether keys in Redis can be turned back into the caller's. */
    isReversible: !keyFunction || parseKey !== undefined,
    /** The keys of a Keyv namespace. */
    namespace(name: string): KeySpace {
      warnOfReach(name, separator);
      return spaceOf(name, version);
    },
  };
}

let hasWarned = false;

/** Such names are written as @keyv/redis writes them, so that its entries are found. Then a store's keys can be equal to keys of the namespace. */
function warnOfReach(namespace: string, separator: string): void {
  const isLiteral = namespace.includes(':') && !namespace.includes('::') && !namespace.endsWith(':');
  if (hasWarned || (separator === keyvSeparator && !isLiteral)) return;
  hasWarned = true;
  const what = separator === keyvSeparator ? 'a namespace that holds `:`' : 'a namespace with a separator of its own';
  warn(
    `keys of ${what} can be equal to those of a store or namespace with a shorter name: see docs/keys.md, Names that overlap`,
    'REDIS_TIER_NAMESPACE',
  );
}

/** `#` begins internal keys; `%` and `@` mark encoded prefixes and versions. */
function separatorOf({ keyPrefixSeparator = keyvSeparator }: KeyOptions): string {
  const isSeparator = typeof keyPrefixSeparator === 'string' && keyPrefixSeparator.isWellFormed() && /^[^%@#]+$/.test(keyPrefixSeparator);
  check('keyPrefixSeparator', 'a string that is not empty, without `%`, `@` and `#`', keyPrefixSeparator, isSeparator);
  return keyPrefixSeparator;
}

/** cache-manager-redis-yet writes its `keyPrefix` literally. Our encoding would differ, and would not find its data. */
function literalPrefix(options: StoreOptions): Pick<StoreOptions, 'hashLongKeys' | 'keyFunction' | 'parseKey' | 'keyPattern'> {
  const { keyPrefix, version, hashLongKeys, keyFunction } = options;
  if (keyPrefix === undefined || keyFunction !== undefined || !/[:%@#]/.test(keyPrefix)) return options;
  const other = version === undefined ? 'hashLongKeys' : 'version';
  const isAlone = version === undefined && !hashLongKeys;
  check('keyPrefix', `without \`:\`, \`%\`, \`@\` and \`#\` beside \`${other}\`, or \`prefix\` instead`, keyPrefix, isAlone);
  return plainKeys(keyPrefix);
}

const nearOptions: Record<keyof NearOptions, true> = { max: true, maxBytes: true, ttl: true, freeze: true, maxStaleness: true };

function parseNear(options: NearOptions | false | undefined): NearSettings | undefined {
  if (options === undefined || options === false) return undefined;
  check('near', 'an object or false', options, isOptions(options));
  onlyKnown('near', options, nearOptions);
  const { max = 10_000, maxBytes = 64 * 2 ** 20, freeze = false } = options;
  const [ttl, maxStaleness] = [milliseconds(options.ttl, Number.POSITIVE_INFINITY), milliseconds(options.maxStaleness, 0)];
  checkInteger('near.max', max);
  checkInteger('near.maxBytes', maxBytes);
  check('near.ttl', 'a number of milliseconds > 0', ttl, typeof ttl === 'number' && ttl > 0);
  check('near.freeze', 'a boolean', freeze, typeof freeze === 'boolean');
  check('near.maxStaleness', 'a number of milliseconds ≥ 0', maxStaleness, Number.isFinite(maxStaleness) && maxStaleness >= 0);
  return { max, maxBytes, ttl, freeze, maxStaleness };
}

/** Without the breaker nothing knows that Redis is away. */
function parseOffline(options: OfflineOptions | false | undefined, hasBreaker: boolean): OfflineSettings | undefined {
  if (options === undefined || options === false) return undefined;
  check('offline', 'an object or false', options, isOptions(options));
  check('offline', 'left out beside `breaker: false`', options, hasBreaker);
  onlyKnown('offline', options, { max: true, ttl: true } satisfies Record<keyof OfflineOptions, true>);
  const { max = 10_000 } = options;
  const ttl = milliseconds(options.ttl, 30_000);
  checkInteger('offline.max', max);
  check('offline.ttl', 'a number of milliseconds > 0', ttl, Number.isFinite(ttl) && ttl > 0);
  return { max, ttl };
}
