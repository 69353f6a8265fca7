import { ArgumentError, expected, functionFailed } from '../errors.js';
import { isOptions, unknownNames, unknownOptions } from '../known-names.js';
import type { Ttl } from '../ttl.js';
import { checkTags } from './tags.js';

/** How an entry is written, where a time to live does not say it all. */
export interface WriteOptions {
  /** Milliseconds; `0`, `null` or `Infinity` for ever; the default of the store where it is left out. */
  readonly ttl?: Ttl;
  /** What the entry depends on, beside what the option `tags` says: `invalidateTags` with any of these makes it a miss. */
  readonly tags?: readonly string[] | undefined;
}

/** The tags of an entry, as the option of that name gives them. */
export type TagsOf = (key: string, value: unknown) => readonly string[];

const known: Record<keyof WriteOptions, true> = { ttl: true, tags: true };
const none: readonly string[] = [];

/** A time to live alone, or the options that it is one of. */
export function written(how: Ttl | WriteOptions): { readonly ttl: Ttl; readonly tags: readonly string[] } {
  if (typeof how !== 'object' || how === null) return { ttl: how, tags: none };
  if (!isOptions(how) || Object.keys(how).length === 0) {
    throw new ArgumentError(expected('ttl', 'a number of milliseconds ≥ 0, null or Infinity, or an object of `ttl` and `tags`', how));
  }
  const unknown = unknownNames(how, known);
  if (unknown.length > 0) throw new ArgumentError(unknownOptions(unknown, known));
  return { ttl: how.ttl, tags: how.tags === undefined ? none : [...new Set(checkTags(how.tags))] };
}

/** The tags of the call and those of the option. What the user's function does wrong is no mistake of the caller's, so it fails as the operation does. */
export function allTags(given: readonly string[], tagsOf: TagsOf | undefined, key: string, value: unknown): readonly string[] {
  if (tagsOf === undefined) return given;
  try {
    return [...new Set([...given, ...checkTags(tagsOf(key, value))])];
  } catch (cause) {
    throw functionFailed('tags', cause);
  }
}
