import { functionFailed } from '../checks.js';
import { ArgumentError, type CacheError } from '../errors.js';
import { expected } from '../messages.js';
import { escapeGlob } from './glob.js';
import { filtered, type KeySpace } from './keyspace.js';

/** A key space from a function of the user. Scans need its inverse, `parseKey`. @internal */
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
      // Redis replaces lone surrogates. `memory:` and the near tier have to use the same key.
      return redisKey.toWellFormed();
    },
    fromRedisKey,
    owns: (redisKey) => fromRedisKey(redisKey) !== undefined,
    scan: (pattern) => (pattern === undefined ? { glob: keyPattern } : filtered(keyPattern, pattern)),
  };
}

/** The error of a function that returned something other than a key. */
function gave(option: string, what: string, returned: unknown): CacheError {
  return functionFailed(option, new TypeError(`expected ${what}, got ${returned === null ? 'null' : typeof returned}`));
}

/**
 * Key options that write `prefix:key` literally, for data that another library wrote under a prefix with `:`, `%`, `@` or `#`:
 * `redisStore({ ...plainKeys('shop:cache') })`. In return, key `cache:1` under `shop` and key `1` under `shop:cache` are one entry, keys
 * that differ in lone surrogates are too, and `hashLongKeys` has no effect.
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
