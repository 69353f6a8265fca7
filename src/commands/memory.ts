import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { agingOf } from '../codec/aging.js';
import type { Stored } from '../codec/codec.js';
import { isTagged } from '../codec/tag-header.js';
import { CommandError, expected, OptionError } from '../errors.js';
import { globToRegExp } from '../keys/glob.js';
import type { WireTtl } from '../ttl.js';
import { type Commands, headLength, type Leases, missing, never } from './commands.js';
import { markStart } from './leases.js';

const pageSize = 1000;

/** Asks for `Date` anew each time, so that fake timers move it. The LRU takes a start of 0 for none, which is where some of them begin. */
const clock = { now: (): number => Date.now() + 1 };

/**
 * The verbs on an LRU in this process: for tests of your own and for first steps without a server. The least recently
 * used entry goes when `max` is reached, where Redis would follow its `maxmemory-policy`.
 */
export function memoryCommands(max = 10_000): Commands {
  if (!Number.isInteger(max) || max < 1) throw new OptionError(expected('max', 'an integer ≥ 1', max));
  const entries = new LRUCache<string, Stored>({ max, ttlResolution: 0, perf: clock });

  function write(key: string, value: Stored, ttl: WireTtl): void {
    // Somebody else's memory: a value must not change because the caller reuses the Buffer it gave.
    entries.set(key, typeof value === 'string' ? value : Buffer.from(value), {
      ttl: ttl ?? 0,
    });
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

  /** SHA-1 of what the key holds; `''` for nothing. */
  function digest(key: string): string {
    const now = entries.get(key);
    return now === undefined ? '' : createHash('sha1').update(now).digest('hex');
  }

  const isMark = (holder: Stored): boolean => String(holder).startsWith(markStart);
  const holds = (lease: string, token: string): boolean => String(entries.get(lease) ?? '').startsWith(token);

  let lastFence = 0;
  const remove = (keys: readonly (string | Buffer)[], leases: Leases = []): boolean[] => {
    for (const lease of leases) if (lease !== undefined) entries.delete(lease);
    return keys.map((key) => entries.delete(String(key)));
  };

  return {
    get: async (key) => entries.get(key) ?? null,
    getMany: async (keys) => keys.map((key) => entries.get(key) ?? null),
    getWithTtl: async (key) => ({ left: pttl(key), stored: entries.get(key) ?? null }),
    async set(key, value, ttl) {
      write(key, value, ttl);
    },
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
    del: async (keys, leases) => remove(keys, leases).filter(Boolean).length,
    sweep: async (keys) => remove(keys).filter(Boolean).length,
    heads: async (keys, length) => keys.map((key) => (entries.has(key) ? bytes(key).subarray(0, length) : null)),
    sweepHeads: async (list) =>
      list.filter(({ key, head }) => entries.has(key) && head.equals(bytes(key).subarray(0, head.length)) && entries.delete(key)).length,
    drop: async (key, lease) => remove([key], [lease]),
    delEach: async (keys, leases) => remove(keys, leases),
    async claim(lease, token, time, urgent) {
      const holder = entries.get(lease);
      if (pttl(lease) === never) return '';
      if (holder !== undefined && (!isMark(holder) || (holder === markStart && !urgent))) return String(holder);
      // What the mark says goes on behind the token: callers that waited may not have looked yet.
      write(lease, token + String(holder ?? '').slice(0, 2), time);
      return undefined;
    },
    async fill({ key, value, ttl }, { lease, token, seen, mayBeGone }) {
      if (!holds(lease, token)) return false;
      entries.delete(lease);
      const as = digest(key);
      if (as !== seen && !(as === '' && mayBeGone)) return false;
      write(key, value, ttl);
      return true;
    },
    async retire(key, { lease, token, seen }, { text, time }) {
      if (!holds(lease, token)) return false;
      write(lease, text, time);
      return seen !== '' && digest(key) === seen && entries.delete(key);
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
      const value = entries.get(key) ?? null;
      remove([key], [lease]);
      return value;
    },
    has: async (key) => entries.has(key),
    hasMany: async (keys) => keys.map((key) => entries.has(key)),
    pttl: async (key) => pttl(key),
    pttlMany: async (keys) => keys.map(pttl),
    async expire(key, ttl) {
      if (!entries.has(key)) return null;
      const aging = agingOf(entries.peek(key) as Stored);
      rewrite(key, undefined, ttl === undefined ? never : ttl + (aging?.staleFor ?? 0));
      const head = bytes(key).subarray(0, headLength);
      return aging || isTagged(head) ? head : Buffer.alloc(0);
    },
    async stamp(key, id, ttl) {
      if (entries.has(key)) {
        const left = pttl(key);
        if (left !== never && (ttl === undefined || left < ttl)) rewrite(key, undefined, ttl ?? never);
        return String(entries.get(key));
      }
      if (id !== undefined) write(key, id, ttl);
      return id;
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
      const left = pttl(from);
      write(to, entries.peek(from) as Stored, left === never ? undefined : left);
      if (from !== to) entries.delete(from);
      return true;
    },
    async *scan(glob, cursor = '0') {
      const matches = globToRegExp(glob);
      const keys = Array.from(entries.keys())
        .filter((key) => entries.has(key) && matches.test(key))
        .sort();
      for (let i = Number(cursor); i === 0 || i < keys.length; i += pageSize) {
        yield {
          keys: keys.slice(i, i + pageSize),
          next: i + pageSize < keys.length ? String(i + pageSize) : '0',
        };
      }
    },
    async ping() {},
  };
}
