import { functionFailed } from '../checks.js';
import { ArgumentError, type CacheError } from '../errors.js';
import { expected } from '../messages.js';
import { escapeGlob } from './glob.js';
import { filtered, type KeySpace } from './keyspace.js';

/**
 * A key space of the user's own: any function, with its inverse where scans are wanted.
 * @internal
 */
export function customKeySpace(
  keyFunction: (key: string) => string,
  parseKey: ((redisKey: string) => string | undefined) | undefined,
  keyPattern = '*',
): KeySpace {
  function fromRedisKey(redisKey: string): string | undefined {
    if (parseKey === undefined) return undefined;
    let key: string | undefined;
    try {
      key = parseKey(redisKey);
    } catch (cause) {
      throw functionFailed('parseKey', cause);
    }
    if (key !== undefined && typeof key !== 'string') throw gave('parseKey', 'a string or undefined', key);
    return key;
  }
  return {
    varies: true,
    toRedisKey(key) {
      if (typeof key !== 'string') throw new ArgumentError(expected('key', 'a string', key));
      let redisKey: string;
      try {
        redisKey = keyFunction(key);
      } catch (cause) {
        throw functionFailed('keyFunction', cause);
      }
      if (typeof redisKey !== 'string') throw gave('keyFunction', 'a string', redisKey);
      // What Redis makes of a lone surrogate, so that an engine in this process and a near tier know the key by the same name.
      return redisKey.toWellFormed();
    },
    fromRedisKey,
    owns: (redisKey) => fromRedisKey(redisKey) !== undefined,
    scan: (pattern) => (pattern === undefined ? { glob: keyPattern } : filtered(keyPattern, pattern)),
  };
}

/** The user's function returned something else than a key. */
function gave(option: string, what: string, returned: unknown): CacheError {
  return functionFailed(option, new TypeError(`expected ${what}, got ${returned === null ? 'null' : typeof returned}`));
}

/**
 * Key options that write `prefix:key` to the letter, for a prefix that holds `:`, `%`, `@` or `#` and data that another
 * library wrote under it: `redisStore({ ...plainKeys('shop:cache') })`. Given up for it: that prefix `shop` with key
 * `cache:1` and prefix `shop:cache` with key `1` are two entries; that keys with lone surrogates differ; `hashLongKeys`.
 */
export function plainKeys(prefix: string): {
  keyFunction: (key: string) => string;
  parseKey: (redisKey: string) => string | undefined;
  keyPattern: string;
} {
  const start = `${prefix}:`;
  return {
    keyFunction: (key) => start + key,
    parseKey: (redisKey) => (redisKey.startsWith(start) ? redisKey.slice(start.length) : undefined),
    keyPattern: `${escapeGlob(start)}*`,
  };
}
