import { isDeepStrictEqual } from 'node:util';
import { callOptions, checkArgument } from '../checks.js';
import { isFramed, type ReadEntry, type Stored, StoredEntry } from '../codec/entry.js';
import type { MaybePromise } from '../codec/serializers.js';
import { holdsExactNumbers } from '../codec/storable.js';
import { AbortedError } from '../errors.js';
import { keyName } from '../keys/keyspace.js';
import type { CacheCore, Values } from './values.js';

/** Options of `reencode`. */
export interface ReencodeOptions {
  /** Where an earlier run got to: the `cursor` of its last progress. Default: the beginning. */
  readonly cursor?: string | undefined;
}

/** How far `reencode` has got. */
export interface ReencodeProgress {
  /** Entries looked at so far. */
  readonly scanned: number;
  /** Entries whose bytes were replaced. */
  readonly rewritten: number;
  /** Entries left as they are because they could not be read; each was emitted as `error`. */
  readonly unreadable: number;
  /**
   * Entries left as they are because their value would not come back the same: a `Map` or a `Date` that the current serializer cannot hold,
   * JSON with a number that JavaScript does not hold exactly. Other entries of the same run are rewritten.
   */
  readonly left: number;
  /** Where to go on; `'0'` when done. */
  readonly cursor: string;
}

/** @throws {ArgumentError} for what cannot be understood */
export function parseReencode(options: ReencodeOptions | undefined): ReencodeOptions {
  const { cursor } = callOptions('reencode', options, { cursor: true });
  const isCursor = typeof cursor === 'string' && /^\d+(@.+)?$/s.test(cursor);
  checkArgument('cursor', 'the `cursor` of an earlier progress', cursor, cursor === undefined || isCursor);
  return { cursor };
}

/** How many entries are held at once, and how many of their values: not many. */
const sliceSize = 50;
const valuesAtOnce = 4;

type RewriteResult = 'rewritten' | 'unreadable' | 'left' | 'unchanged';

/** Rewrites entries as the codec writes them now. They keep their time to live, their age and their tags. */
export class Reencoder {
  readonly #cache: CacheCore & { readonly values: Values };
  #progress = { scanned: 0, rewritten: 0, unreadable: 0, left: 0 };

  constructor(cache: CacheCore & { readonly values: Values }) {
    this.#cache = cache;
  }

  /** @returns the progress after this page, from which `cursor` goes on */
  async rewritePage(redisKeys: readonly string[], cursor: string): Promise<ReencodeProgress> {
    const progress = this.#progress;
    for (let i = 0; i < redisKeys.length; i += sliceSize) {
      const slice = redisKeys.slice(i, i + sliceSize);
      const entries = await this.#cache.context.commands.getMany(slice);
      for (let first = 0; first < slice.length; first += valuesAtOnce) {
        const few = slice.slice(first, first + valuesAtOnce);
        const outcomes = await Promise.all(few.map((redisKey, at) => this.#rewrite(redisKey, entries[first + at] as ReadEntry)));
        for (const outcome of outcomes) if (outcome !== 'unchanged') progress[outcome]++;
      }
    }
    progress.scanned += redisKeys.length;
    return { ...progress, cursor };
  }

  async #rewrite(redisKey: string, entry: ReadEntry): Promise<RewriteResult> {
    if (!entry.found) return 'unchanged';
    const { codec, commands, keys } = this.#cache.context;
    const { payload } = entry;
    const inTime = async <T>(work: MaybePromise<T>): Promise<T> => (work instanceof Promise ? this.#cache.values.inTime(work) : work);
    let value: unknown;
    try {
      value = await inTime(codec.decode(entry, redisKey));
    } catch (error) {
      if (error instanceof AbortedError) throw error;
      this.#cache.policy.report({ name: 'reencode', key: keyName(keys, redisKey) }, error);
      return 'unreadable';
    }
    let rewritten: Stored | undefined;
    try {
      rewritten = await inTime(codec.reencode(entry, redisKey));
      if (rewritten === undefined) return value === plainText(payload) || holdsExactNumbers(plainText(payload)) ? 'unchanged' : 'left';
      if (!isDeepStrictEqual(await inTime(codec.decode(StoredEntry.parse(rewritten), redisKey)), value)) return 'left';
    } catch (error) {
      if (error instanceof AbortedError) throw error;
      // The codec cannot write the value, or cannot read what it wrote.
      return 'left';
    }
    return (await commands.replace(redisKey, entry.bytes, rewritten, 'keep')) ? 'rewritten' : 'unchanged';
  }
}

/** Stored JSON that describes itself; nothing for what is framed, which a store wrote from values. */
function plainText(stored: Stored): string {
  return typeof stored !== 'string' && isFramed(stored) ? '' : String(stored);
}
