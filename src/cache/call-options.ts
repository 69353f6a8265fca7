import { callOptions, checkArgument, functionFailed, isOptions, onlyKnownInCall, wrongArgument } from '../checks.js';
import { maxTagBytes, maxTags } from '../codec/entry.js';
import type { CallBounds } from '../connection/guard.js';
import { ArgumentError } from '../errors.js';
import { maxPatternLength } from '../keys/glob.js';
import { isVersion, versions } from '../keys/keyspace.js';
import { type Duration, type Milliseconds, maxTimerDelay, milliseconds, type Ttl } from '../ttl.js';
import type { TagsOf } from './context.js';

/** How an entry is written, in place of a time to live. */
export interface WriteOptions {
  /** Time to live: milliseconds, or text such as `'5m'`; `0`, `null` or `Infinity` for an entry that never expires. Default: that of the store. */
  readonly ttl?: Ttl;
  /** What the entry depends on, beside the option `tags`: `invalidateTags` with any of these makes it a miss. Default: none. */
  readonly tags?: readonly string[] | undefined;
  /**
   * When the entry expires, in place of `ttl`: a Date, or milliseconds since 1970, by the clock of this process. A value whose time is over is
   * not stored, and the entry that it was to replace is deleted. Default: none.
   */
  readonly expireAt?: Date | number | undefined;
  /** Whether the entry keeps the time that the entry before it has left. Without one, or after its end, `ttl` applies. Default false. */
  readonly keepTtl?: boolean | undefined;
}

/** A write, as its options say. */
export interface WritePlan {
  readonly ttl: Ttl;
  readonly tags: readonly string[];
  readonly keepTtl: boolean;
  /** Whether `expireAt` has passed. */
  readonly isOver: boolean;
}

const known: Record<keyof WriteOptions, true> = { ttl: true, tags: true, expireAt: true, keepTtl: true };
/** Smaller numbers are seconds: 1e11 milliseconds are in March 1973. */
const firstTime = 1e11;
const none: readonly string[] = [];

/** The options of a write, which may be a time to live alone. @throws {ArgumentError} for anything else */
export function parseWriteOptions(how: Ttl | WriteOptions): WritePlan {
  if (typeof how !== 'object' || how === null) return { ttl: how, tags: none, keepTtl: false, isOver: false };
  const what =
    "a number of milliseconds ≥ 0, text such as '90s', null or Infinity, or an object of `ttl`, `expireAt`, `keepTtl` and `tags`";
  checkArgument('ttl', what, how, isOptions(how) && Object.keys(how).length > 0);
  onlyKnownInCall('options of a write', how, known);
  const { keepTtl = false, expireAt } = how;
  checkArgument('keepTtl', 'a boolean', keepTtl, typeof keepTtl === 'boolean');
  const left = expireAt === undefined ? undefined : timeUntil(expireAt);
  checkArgument('expireAt', 'left out beside `ttl` and `keepTtl`', expireAt, left === undefined || (how.ttl === undefined && !keepTtl));
  const tags = how.tags === undefined ? none : [...new Set(checkTagsOfEntry(how.tags))];
  return { ttl: left ?? how.ttl, tags, keepTtl, isOver: left !== undefined && left <= 0 };
}

function timeUntil(time: Date | number): Milliseconds {
  const at = Number(time);
  const isTime = time instanceof Date ? Number.isFinite(at) : typeof time === 'number' && at >= firstTime && at < Number.POSITIVE_INFINITY;
  checkArgument('expireAt', 'a Date, or milliseconds since 1970 (multiply seconds by 1000)', time, isTime);
  return at - Date.now();
}

/** What a caller gives as tags, as it is. @throws {ArgumentError} for anything but tags */
export function checkTags(tags: unknown): readonly string[] {
  const isTag = (tag: unknown): boolean => typeof tag === 'string' && tag !== '' && tag.isWellFormed();
  checkArgument('tags', 'an array of strings that are not empty', tags, Array.isArray(tags) && tags.every(isTag));
  return tags as readonly string[];
}

/** The tags of one entry. @throws {ArgumentError} for more than an entry may carry */
export function checkTagsOfEntry(tags: unknown): readonly string[] {
  const own = checkTags(tags);
  const isShort = own.length <= maxTags && own.reduce((length, tag) => length + tag.length, 0) < maxTagBytes / 2;
  const fits = own.length <= maxTags && (isShort || Buffer.byteLength(JSON.stringify(own)) < maxTagBytes / 2);
  if (!fits) throw new ArgumentError(`expected the \`tags\` of one entry to be at most ${maxTags}, of ${maxTagBytes / 2} bytes together`);
  return own;
}

/** The tags of the call and of the option. A function of the option that fails is not the caller's mistake: it fails as the operation does. */
export function allTags(ofCall: readonly string[], tagsOf: TagsOf | undefined, key: string, value: unknown): readonly string[] {
  if (tagsOf === undefined) return ofCall;
  try {
    return checkTagsOfEntry([...new Set([...ofCall, ...checkTagsOfEntry(tagsOf(key, value))])]);
  } catch (cause) {
    throw functionFailed('tags', cause);
  }
}

/** The entries of `mset`: pairs of key and value (an array, a Map, any iterable), or a record. */
export type Entries = Iterable<readonly [key: string, value: unknown]> | Readonly<Record<string, unknown>>;

type Pair = readonly [key: string, value: unknown];

/** The entries, each with its options. @throws {ArgumentError} for anything but pairs and records */
export function toPairs(entries: Entries, how: Ttl | WriteOptions): (readonly [...Pair, how: Ttl | WriteOptions])[] {
  return Array.from(pairsOf(entries), (pair) => {
    checkArgument('entries', 'pairs of key and value', pair, Array.isArray(pair) && pair.length === 2);
    return [pair[0], pair[1], how];
  });
}

function pairsOf(entries: Entries): Iterable<Pair> {
  if (typeof entries === 'object' && entries !== null) {
    if (typeof (entries as Iterable<Pair>)[Symbol.iterator] === 'function') return entries as Iterable<Pair>;
    if (isOptions(entries)) return Object.entries(entries);
  }
  throw wrongArgument('entries', 'pairs of key and value, a Map or a record', entries);
}

/** Options of `with`. */
export interface CallOptions {
  /** The deadline in milliseconds, or text such as `'500ms'`. Default: the store's. */
  readonly timeout?: Duration | undefined;
  /** Aborts the call: it rejects with an AbortedError. A command that was sent already is executed. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Sliding expiration: the time to live of entries, milliseconds or text such as `'30m'`, which each read renews. An entry expires between
   * 7/8 and the whole of it after its last read, for it is touched once in an eighth. Default: entries expire as they were written.
   */
  readonly sliding?: Duration | undefined;
}

/** @throws {ArgumentError} for an unknown name, or an invalid bound */
export function parseBounds(bounds: CallOptions): CallBounds & { readonly sliding: Milliseconds | undefined } {
  const { signal, ...times } = callOptions('with', bounds, { timeout: true, signal: true, sliding: true });
  const sliding = parseSliding(times.sliding);
  const timeout = milliseconds(times.timeout);
  const isTime = typeof timeout === 'number' && timeout > 0 && timeout <= maxTimerDelay;
  checkArgument(
    'timeout',
    `a number of milliseconds > 0 and ≤ ${maxTimerDelay}, or text such as '500ms'`,
    times.timeout,
    timeout === undefined || isTime,
  );
  checkArgument('signal', 'an AbortSignal', signal, signal === undefined || signal instanceof AbortSignal);
  return { timeout, signal, sliding };
}

/** @throws {ArgumentError} for anything but a duration */
export function parseSliding(sliding: Duration | undefined): Milliseconds | undefined {
  const time = milliseconds(sliding);
  const isTime = typeof time === 'number' && time > 0 && time < Number.POSITIVE_INFINITY;
  checkArgument('sliding', "a number of milliseconds > 0, or text such as '30m'", sliding, sliding === undefined || isTime);
  return time as Milliseconds | undefined;
}

/** What `clear` deletes if not the entries of this store. */
export interface ClearOptions {
  /** The entries of another version. Default: those of the version of the store. */
  readonly version?: string | number;
  /** The entries of every version, those without one included. */
  readonly allVersions?: boolean | undefined;
  /**
   * The entries of this store, in one step: all are misses from then on, and are deleted in the background, at once or by `sweep` in a later
   * process. Needs the option `lazyClear`. Default false.
   */
  readonly lazy?: boolean | undefined;
}

/**
 * Checks what to clear before anything is sent. `version: undefined` is refused: a caller that names another version must not lose the
 * entries of this one.
 *
 * @throws {ArgumentError} for an invalid option
 */
export function parseClear(options: ClearOptions | undefined): ClearOptions {
  const scope = callOptions('clear', options, { version: true, allVersions: true, lazy: true });
  const { version, allVersions, lazy } = scope;
  checkArgument('version', versions, version, !('version' in scope) || isVersion(version));
  for (const [name, value] of Object.entries({ allVersions, lazy })) {
    checkArgument(name, 'a boolean', value, value === undefined || typeof value === 'boolean');
  }
  checkArgument('version', 'left out beside `allVersions`', version, !allVersions || version === undefined);
  return scope;
}

/** @throws {ArgumentError} for anything but a glob of a length that is matched in little time */
export function checkPattern(pattern: string): void {
  const isPattern = typeof pattern === 'string' && pattern.length <= maxPatternLength;
  checkArgument('pattern', `a string of at most ${maxPatternLength} characters`, pattern, isPattern);
}
