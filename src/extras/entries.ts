import { ArgumentError, expected } from '../errors.js';
import { isOptions } from '../known-names.js';
import type { Ttl } from '../ttl.js';
import type { WriteOptions } from './write-options.js';

/** What `mset` takes: pairs of key and value (an array, a Map, any iterable), or a record. */
export type Entries = Iterable<readonly [key: string, value: unknown]> | Readonly<Record<string, unknown>>;

type Pair = readonly [key: string, value: unknown];

/** The entries, each with how it is to be written. @throws {ArgumentError} for anything but pairs and records */
export function withOptions(
  entries: Entries,
  how: Ttl | WriteOptions,
): (readonly [key: string, value: unknown, how: Ttl | WriteOptions])[] {
  const list: (readonly [key: string, value: unknown, how: Ttl | WriteOptions])[] = [];
  for (const pair of pairsOf(entries)) {
    if (!Array.isArray(pair) || pair.length !== 2) throw new ArgumentError(expected('entries', 'pairs of key and value', pair));
    list.push([pair[0], pair[1], how]);
  }
  return list;
}

function pairsOf(entries: Entries): Iterable<Pair> {
  if (typeof entries === 'object' && entries !== null) {
    if (typeof (entries as Iterable<Pair>)[Symbol.iterator] === 'function') return entries as Iterable<Pair>;
    if (isOptions(entries)) return Object.entries(entries);
  }
  throw new ArgumentError(expected('entries', 'pairs of key and value, a Map or a record', entries));
}
