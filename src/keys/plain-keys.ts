import { escapeGlob } from './glob.js';

/**
 * Key options that write `prefix:key` to the letter, for a prefix that holds `:`, `%`, `@` or `#` and data that another
 * library wrote under it: `redisStore({ ...plainKeys('shop:cache') })`. Given up for it: that prefix `shop` with key
 * `cache:1` and prefix `shop:cache` with key `1` are two entries; that keys with lone surrogates differ; `hashLongKeys`.
 */
export function plainKeys(prefix: string): {
  keyFunction: (key: string) => string;
  parseKey: (wireKey: string) => string | undefined;
  keyPattern: string;
} {
  const start = `${prefix}:`;
  return {
    keyFunction: (key) => start + key,
    parseKey: (wireKey) => (wireKey.startsWith(start) ? wireKey.slice(start.length) : undefined),
    keyPattern: `${escapeGlob(start)}*`,
  };
}
