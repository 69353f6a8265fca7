import type Keyv from 'keyv';
import type { Reader } from '../cache/reader.js';
import { OptionError } from '../errors.js';
import { expected } from '../messages.js';
import { KeyvRedisStore } from './adapter.js';
import { type AdapterInfo, capabilities, type KeyvCapabilities, majorOf } from './contract.js';
import { origin, wrapped } from './create-keyv.js';

/** The near cache of an adapter, as an adapter that sends nothing and ignores writes. */
class CoherentAdapter {
  readonly #adapter: KeyvRedisStore;
  readonly #major: 4 | 5 | 6;
  readonly #near: Reader;

  constructor(adapter: KeyvRedisStore, major: 4 | 5 | 6, near: Reader) {
    this.#adapter = adapter;
    this.#major = major;
    this.#near = near;
  }

  get opts(): AdapterInfo {
    return this.#adapter.opts;
  }

  /** The adapter's: Keyv sets the same. */
  get namespace(): string | undefined {
    return this.#adapter.namespace;
  }

  set namespace(_name: string | undefined) {}

  get capabilities(): KeyvCapabilities | undefined {
    return this.#major === 6 ? capabilities : undefined;
  }

  get<Value>(key: string): Promise<Value | undefined> {
    return this.#near.get<Value>(key);
  }

  getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return this.#near.getMany<Value>(keys);
  }

  has(key: string): Promise<boolean> {
    return this.#near.has(key);
  }

  hasMany(keys: string[]): Promise<boolean[]> {
    return this.#near.hasMany(keys);
  }

  async set(): Promise<boolean> {
    return true;
  }

  async setMany(entries: unknown[]): Promise<boolean[]> {
    return entries.map(() => true);
  }

  async delete(): Promise<boolean> {
    return true;
  }

  // biome-ignore lint/suspicious/noExplicitAny: one boolean for Keyv 5, one for each key for Keyv 6
  async deleteMany(keys: string[]): Promise<any> {
    return this.#major === 6 ? keys.map(() => true) : true;
  }

  async clear(): Promise<void> {}

  async disconnect(): Promise<void> {}

  async *iterator(): AsyncGenerator<[string, never], void> {}
}

/**
 * A memory tier that stays true, for cache-manager 7 and others that put a memory Keyv in front of one on Redis. It is a view of the near
 * cache of `redis`: see `coherentMemory` of `redis-tier`. Writes and deletions go to `redis`, which takes the entry away here. It reads
 * what `redis` writes: with the serializer, compression and encryption that are set on `redis`, whenever that is.
 *
 * @throws {OptionError} for anything but a Keyv that `createKeyv` made with `near`, with Keyv 5 or 6
 * @example
 * const redis = createKeyv('redis://localhost', { near: {} });
 * const cache = createCache({ stores: [coherentMemory(redis), redis] });
 */
export function coherentMemory<Value = unknown>(redis: Keyv<Value>): Keyv<Value> {
  const made = origin(redis);
  const major = made && majorOf(made.keyv);
  const near = made && KeyvRedisStore.internalsOf(made.adapter).cache.nearOnly();
  if (!made || !near || major === undefined || major === 4) {
    throw new OptionError(expected('redis', 'what `createKeyv` made with the option `near`, with Keyv 5 or later', redis));
  }
  const { keyv: memory } = wrapped(made, new CoherentAdapter(made.adapter, major, near));
  readAs(redis as Decoding, memory as Decoding);
  return memory as Keyv<Value>;
}

/** How Keyv makes a value of what an adapter gives: `deserializeData` in Keyv 5, `decode` in Keyv 6. */
type Decoding = Partial<Record<'deserializeData' | 'decode', (data: never) => unknown>>;

/** Both read the same bytes: the reader uses the serializer and compression of the writer, even those set later. */
function readAs(writer: Decoding, reader: Decoding): void {
  for (const name of ['deserializeData', 'decode'] as const) {
    if (writer[name]) reader[name] = (data) => writer[name]?.(data);
  }
}
