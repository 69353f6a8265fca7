import { Cache } from '../cache/cache.js';
import { type Codec, type MaybePromise, then } from '../codec/serializers.js';
import type { StoreParts } from '../compose.js';
import { OptionError } from '../errors.js';
import type { StoreOptions } from '../options/options.js';
import { parseOptions } from '../options/parse.js';
import { ownStore, RedisStore } from '../store/store.js';
import { ttlPolicy } from '../ttl.js';
import { type Envelope, standard, Unencodable } from './envelope.js';

/** How a Keyv turns its envelope into what it passes to the adapter, and back. */
export interface KeyvForm {
  encode(envelope: Envelope): MaybePromise<unknown>;
  decode(stored: unknown): MaybePromise<unknown>;
  /** The default time to live of the Keyv, in milliseconds. */
  readonly ttl?: number | undefined;
}

/** Where an adapter has the store behind it, of whichever build of this package it is. */
export const storeBehind = Symbol.for('redis-tier.store');

/** An adapter of ours. */
export interface StoreBehind {
  [storeBehind](form: KeyvForm): RedisStore;
}

/** Text as {@link createKeyv} writes it, for an adapter without a Keyv. */
const plainForm: KeyvForm = {
  encode: (envelope) => standard.stringify(envelope) as string,
  decode: (stored) => standard.parse(stored as string),
};

/**
 * The store behind a Keyv or a cache: its methods on the same entries, over the same connection. What it writes the Keyv reads, and the
 * reverse.
 *
 * @param of a Keyv or an adapter of `redis-tier/keyv`, a cache of cache-manager around one of them, or a store of `redis-tier`
 * @throws {OptionError} if there is none of ours behind it
 * @example
 * const cache = createCache({ stores: [createKeyv('redis://localhost')] });
 * await storeOf(cache).invalidateTags(['user:1']);
 */
export function storeOf(of: object): RedisStore {
  const found = storesIn(of);
  if (found.length === 1) return found[0] as RedisStore;
  const what =
    found.length === 0 ? 'with an adapter or a store of redis-tier behind it' : 'with one store of redis-tier behind it, not several';
  throw new OptionError(`storeOf: expected a Keyv, a cache of cache-manager or an adapter ${what}`);
}

/** The members under which Keyvs, caches and Nest's own wrappers hold what is behind them. */
interface Holder extends Partial<StoreBehind> {
  /** A store, of any build of this package, or a copy of one. */
  readonly [ownStore]?: () => RedisStore;
  readonly store?: unknown;
  readonly stores?: unknown;
  readonly opts?: { readonly store?: unknown };
}

/** The stores that were made, so that all callers share the loads of one. */
const known = new WeakMap<object, { readonly behind: object; readonly ttl: KeyvForm['ttl']; readonly store: RedisStore }>();

function cachedStore(of: object, behind: StoreBehind, form: KeyvForm): RedisStore {
  const before = known.get(of);
  if (before?.behind === behind && before.ttl === form.ttl) return before.store;
  const store = behind[storeBehind](form);
  known.set(of, { behind, ttl: form.ttl, store });
  return store;
}

function storesIn(of: unknown): RedisStore[] {
  if (typeof of !== 'object' || of === null) return [];
  const holder = of as Holder;
  const store = holder[ownStore]?.();
  if (store) return [store];
  if (typeof holder[storeBehind] === 'function') return [cachedStore(holder, holder as StoreBehind, plainForm)];
  if (Array.isArray(holder.stores)) return holder.stores.flatMap(storesIn);
  const behind = (holder.store ?? holder.opts?.store) as Holder | undefined;
  if (typeof behind !== 'object' || behind === null) return [];
  if (typeof behind[storeBehind] === 'function') return [cachedStore(of, behind as StoreBehind, formOf(of as AnyKeyv))];
  return behind[ownStore] ? [behind[ownStore]()] : [];
}

/** A Keyv of any major: the functions that encode and decode. */
interface AnyKeyv {
  readonly ttl?: number;
  readonly opts?: {
    readonly ttl?: number;
    readonly compression?: unknown;
    serialize?(envelope: Envelope): MaybePromise<unknown>;
    deserialize?(stored: unknown): MaybePromise<unknown>;
  };
  /** Keyv 6. */
  encode?(envelope: Envelope): Promise<unknown>;
  decode?(stored: unknown): Promise<unknown>;
  /** Keyv 5. */
  serializeData?(envelope: Envelope): Promise<unknown>;
  deserializeData?(stored: unknown): Promise<unknown>;
}

function formOf(keyv: AnyKeyv): KeyvForm {
  const ttl = keyv.ttl ?? keyv.opts?.ttl;
  const { encode, decode, serializeData, deserializeData, opts } = keyv;
  // Keyv 6 leaves a time without an end to its adapter.
  if (encode && decode)
    return {
      ttl: ttl === Number.POSITIVE_INFINITY ? undefined : ttl,
      encode: (envelope) => encode.call(keyv, envelope),
      decode: (stored) => decode.call(keyv, stored),
    };
  // Keyv 4 and 5 decode text, and everything if they compress.
  const isEncoded = (stored: unknown): boolean => typeof stored === 'string' || opts?.compression !== undefined;
  if (serializeData && deserializeData)
    return {
      ttl,
      encode: (envelope) => serializeData.call(keyv, envelope),
      decode: (stored) => (isEncoded(stored) ? deserializeData.call(keyv, stored) : stored),
    };
  return {
    ttl,
    encode: (envelope) => (opts?.serialize ? opts.serialize(envelope) : envelope),
    decode: (stored) => (isEncoded(stored) && opts?.deserialize ? opts.deserialize(stored) : stored),
  };
}

/** A store over the parts of an adapter. `options`: those of the adapter, whose functions get values here and not the envelope of the Keyv. */
export function storeOver(parts: StoreParts, options: StoreOptions, form: KeyvForm): RedisStore {
  const { context } = parts.cache;
  const { isCacheable, tagsOf } = parseOptions(options, ['keyPrefixSeparator'], 'keyv');
  // A Keyv without a time to live of its own, or with 0, leaves it to its adapter.
  const ttl = ttlPolicy({ ...options, ttl: form.ttl || options.ttl });
  const own = { codec: enveloped(context.codec, form), ttl, isCacheable, tagsOf, hasOwnForm: true, isEnveloped: true, strict: true };
  return new RedisStore({ ...parts, cache: new Cache({ ...context, ...own }) });
}

/** A codec of values that a Keyv has in its envelope. Without a time in it, the entry ends when Redis says so. */
function enveloped(codec: Codec, { encode, decode }: KeyvForm): Codec {
  return {
    ...codec,
    encode: (value) =>
      then(encode({ value }), (stored) => {
        if (stored instanceof Unencodable) throw stored.reason;
        return codec.encode(stored);
      }),
    decode: (entry, redisKey, quota) => then(codec.decode(entry, redisKey, quota), (stored) => then(decode(stored), valueIn)),
  };
}

/** The value, unless its time is over by the clock of this process, which Keyv goes by. */
function valueIn(envelope: unknown): unknown {
  if (typeof envelope !== 'object' || envelope === null) return undefined;
  const { value, expires } = envelope as Envelope;
  return typeof expires === 'number' && Date.now() > expires ? undefined : value;
}
