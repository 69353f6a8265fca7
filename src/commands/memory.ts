import { LRUCache } from 'lru-cache';
import { digestOf } from '../codec/digest.js';
import { ownMemory, readEntry, type Stored, StoredEntry } from '../codec/entry.js';
import { expiredBy, isGeneration } from '../codec/generation.js';
import { CommandError, OptionError } from '../errors.js';
import { globMatcher } from '../keys/glob.js';
import { expected } from '../messages.js';
import type { KeptTtl, RedisTtl } from '../ttl.js';
import { type Commands, freshStart, type Leases, markStart, maxIdLength, missing, never, noGeneration, prefixLength } from './commands.js';

const pageSize = 1000;

/** Reads `Date` at each call, so that fake timers apply. One more than it, because the LRU takes a start time of 0 for none. */
const clock = { now: (): number => Date.now() + 1 };

/** Bytes of the store's own when they are stored, and of the caller's own when they are read. */
function copyOf(stored: Stored | undefined): Stored | undefined {
  return stored instanceof Buffer ? ownMemory(stored) : stored;
}

/**
 * Commands on an LRU in this process, for tests and for first steps without a server. At `max` it evicts the least recently used entry, as
 * Redis follows its `maxmemory-policy`.
 */
export function memoryCommands(max = 10_000): Commands {
  if (!Number.isInteger(max) || max < 1) throw new OptionError(expected('max', 'an integer ≥ 1', max));
  const entries = new LRUCache<string, Stored>({ max, ttlResolution: 0, perf: clock });

  function write(key: string, value: Stored, ttl: RedisTtl | KeptTtl): void {
    const time = typeof ttl === 'object' ? keptTime(key, ttl) : ttl;
    // A copy: the caller may reuse its Buffer.
    entries.set(key, copyOf(value) as Stored, { ttl: time ?? 0 });
  }

  /** How long the entry is fresh still; 0 or less: it is missing or stale. */
  function freshTime(key: string): number {
    const left = pttl(key);
    return left === never ? Number.POSITIVE_INFINITY : left - StoredEntry.parse(bytes(key)).staleFor;
  }

  function keptTime(key: string, { otherwise, max = Number.POSITIVE_INFINITY }: KeptTtl): RedisTtl {
    const time = entries.has(key) ? freshTime(key) : 0;
    const kept = Math.min(max, time > 0 ? time : (otherwise ?? Number.POSITIVE_INFINITY));
    return kept === Number.POSITIVE_INFINITY ? undefined : kept;
  }

  function pttl(key: string): number {
    if (!entries.has(key)) return missing;
    const left = entries.getRemainingTTL(key);
    return left === Number.POSITIVE_INFINITY ? never : Math.max(1, Math.ceil(left));
  }

  function bytes(key: string): Buffer {
    return Buffer.from(entries.peek(key) as string);
  }

  /** Changes how long an entry lives, or its content, and leaves the other as it is. */
  function rewrite(key: string, value = entries.peek(key), left = pttl(key)): void {
    write(key, value as Stored, left === never ? undefined : left);
  }

  /** The digest of what the key holds; `''` for nothing. */
  function digestAt(key: string): string {
    const now = entries.get(key);
    return now === undefined ? '' : digestOf(now);
  }

  const isMark = (holder: Stored): boolean => String(holder).startsWith(markStart);
  const holds = (lease: string, token: string): boolean => String(entries.get(lease) ?? '').startsWith(token);

  let lastFence = 0;
  const unlink = (keys: readonly (string | Buffer)[], leases: Leases = []): boolean[] => {
    for (const lease of leases) if (lease !== undefined) entries.delete(lease);
    return keys.map((key) => entries.delete(String(key)));
  };

  function expire(key: string, ttl: RedisTtl): Buffer | null {
    if (!entries.has(key)) return null;
    const { staleFor, isTagged, header } = StoredEntry.parse(bytes(key));
    rewrite(key, undefined, ttl === undefined ? never : ttl + staleFor);
    return isTagged || header !== undefined ? bytes(key).subarray(0, prefixLength) : Buffer.alloc(0);
  }

  return {
    get: async (key) => readEntry(copyOf(entries.get(key))),
    getMany: async (keys) => keys.map((key) => readEntry(copyOf(entries.get(key)))),
    getWithTtl: async (key) => ({ left: pttl(key), entry: readEntry(copyOf(entries.get(key))) }),
    set: async (key, value, ttl) => write(key, value, ttl),
    setMany: async (list) =>
      list.map(({ key, value, ttl }) => {
        write(key, value, ttl);
        return { status: 'fulfilled', value: undefined };
      }),
    async add(key, value, ttl) {
      if (entries.has(key)) return false;
      write(key, value, ttl);
      return true;
    },
    async replace(key, was, value, ttl) {
      const current = entries.peek(key);
      if (current === undefined || Buffer.compare(Buffer.from(current as string), Buffer.from(was as string)) !== 0) return false;
      if (ttl === 'keep') rewrite(key, value);
      else write(key, value, ttl);
      return true;
    },
    unlink: async (keys, options) => unlink(keys, options?.leases).filter(Boolean).length,
    unlinkEach: async (keys, leases) => unlink(keys, leases),
    unlinkUnchanged: async (list) =>
      list.filter(
        ({ key, prefix, isWhole }) =>
          entries.has(key) && prefix.equals(isWhole ? bytes(key) : bytes(key).subarray(0, prefix.length)) && entries.delete(key),
      ).length,
    prefixes: async (keys, length) => keys.map((key) => (entries.has(key) ? bytes(key).subarray(0, length) : null)),
    async claim(lease, key, { token, time, urgent, fresh }) {
      const holder = entries.get(lease);
      if (pttl(lease) === never || (holder?.length ?? 0) > maxIdLength) return '';
      const text = String(holder ?? markStart);
      const isHeld = isMark(text) ? text === markStart && !urgent : !fresh || text.startsWith(freshStart);
      if (holder !== undefined && isHeld) return text;
      // What the mark says goes on behind the token: callers that waited may not have looked yet.
      write(lease, token + (holder !== undefined && isMark(text) ? text.slice(0, 2) : ''), time);
      return entries.has(key);
    },
    async setUnderLease({ key, value, ttl }, { lease, token, digest, mayBeGone }) {
      if (!holds(lease, token)) return false;
      entries.delete(lease);
      const now = digestAt(key);
      if (now !== digest && !(now === '' && mayBeGone)) return false;
      write(key, value, ttl);
      return true;
    },
    async unlinkUnderLease(key, { lease, token, digest }, { text, time }) {
      if (!holds(lease, token)) return false;
      write(lease, text, time);
      return digest !== '' && digestAt(key) === digest && entries.delete(key);
    },
    async renew(key, token, time) {
      if (!holds(key, token)) return false;
      rewrite(key, undefined, time);
      return true;
    },
    async release(key, token, mark) {
      if (!holds(key, token)) return false;
      if (mark === undefined) entries.delete(key);
      else write(key, mark.text, mark.time);
      return true;
    },
    async acquire(lock, _fence, token, time) {
      if (entries.has(lock)) return undefined;
      write(lock, token, time);
      lastFence = Math.max(lastFence + 1, Date.now() * 1000);
      return lastFence;
    },
    async getAndDelete(key, lease) {
      const entry = readEntry(entries.get(key));
      unlink([key], [lease]);
      return entry;
    },
    has: async (key) => entries.has(key),
    hasMany: async (keys) => keys.map((key) => entries.has(key)),
    pttl: async (key) => pttl(key),
    pttlMany: async (keys) => keys.map(pttl),
    expire: async (key, ttl) => expire(key, ttl),
    async getAndExpire(key, ttl) {
      if (!entries.has(key) || freshTime(key) <= 0) return readEntry(undefined);
      if (!StoredEntry.parse(bytes(key)).isTagged) expire(key, ttl);
      return readEntry(copyOf(entries.get(key)));
    },
    async expireUnchanged(key, digest, ttl) {
      if (digestAt(key) !== digest) return false;
      const [left, { staleFor }] = [pttl(key), StoredEntry.parse(bytes(key))];
      if (ttl === 'stale') {
        if (left === never || left > staleFor) rewrite(key, undefined, Math.max(1, staleFor));
      } else if (left > staleFor) rewrite(key, undefined, ttl === undefined ? never : ttl + staleFor);
      return true;
    },
    async expireNow(key, lease) {
      unlink([], [lease]);
      if (!entries.has(key)) return false;
      const { staleFor } = StoredEntry.parse(bytes(key));
      const left = pttl(key);
      if (staleFor === 0) return entries.delete(key);
      if (left === never || left > staleFor) rewrite(key, undefined, staleFor);
      return true;
    },
    async ensureGeneration(key, id, ttl) {
      if (entries.has(key)) {
        const current = String(entries.get(key));
        if (!isGeneration(current)) throw new CommandError(noGeneration);
        const left = pttl(key);
        if (left !== never && (ttl === undefined || left < ttl)) rewrite(key, undefined, ttl ?? never);
        return current;
      }
      if (id !== undefined) write(key, id, ttl);
      return id;
    },
    async expireGeneration(key, id) {
      if (!entries.has(key)) return;
      const current = String(entries.peek(key));
      if (!isGeneration(current)) throw new CommandError(noGeneration);
      rewrite(key, expiredBy(id, current));
    },
    async persist(key) {
      if (pttl(key) < 0) return false;
      rewrite(key, undefined, never);
      return true;
    },
    async incrBy(key, delta, initial, ttl) {
      const exists = entries.has(key);
      if (!exists && initial === undefined) return undefined;
      const current = exists ? String(entries.peek(key)) : String(initial);
      const sum = Number(current) + delta;
      if (!/^-?\d+$/.test(current) || !Number.isSafeInteger(sum)) {
        throw new CommandError('the value is not an integer or leaves the range of exact integers');
      }
      if (exists) rewrite(key, String(sum));
      else write(key, String(sum), ttl);
      return sum;
    },
    async rename(from, to) {
      if (!entries.has(from)) return false;
      rewrite(to, entries.peek(from), pttl(from));
      if (from !== to) entries.delete(from);
      return true;
    },
    async *scan(glob, cursor = '0') {
      const matches = globMatcher(glob);
      const keys = Array.from(entries.keys())
        .filter((key) => entries.has(key) && matches(key))
        .sort();
      for (let i = Number(cursor); i === 0 || i < keys.length; i += pageSize) {
        const end = i + pageSize;
        yield { keys: keys.slice(i, end), next: end < keys.length ? String(end) : '0' };
      }
    },
    async ping() {},
  };
}
