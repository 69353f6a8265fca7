import type { OnFailure, TagsOf } from '../cache/context.js';
import type { CodecOptions } from '../codec/codec.js';
import type { BatchOptions } from '../commands/batching.js';
import type { BreakerOptions } from '../connection/breaker.js';
import type { ClientOptions } from '../connection/client/client-options.js';
import type { ParserClass } from '../connection/direct/parser.js';
import type { Pool, PoolOptions } from '../connection/pools.js';
import type { ClusterOptions, ExternalClient, SentinelOptions } from '../connection/target.js';
import type { Duration, Milliseconds, TtlOptions } from '../ttl.js';

/** The options for the connection to Redis: these, and those of node-redis. */
export interface ConnectionOptions extends NodeRedisOptions {
  /**
   * The address of Redis: `host:port`, `redis://`, `rediss://`, `unix://`, an absolute path to a unix socket, Azure's
   * `host:port,password=…,ssl=True`; or `memory:` for an engine inside the process, which ignores the other options of the connection.
   * Default `'localhost:6379'`. `socket.host`, `username`, `password`, `database`, `socket.tls` and the like must not contradict it.
   * @example location: 'rediss://user:password@cache.example.com:6380/1'
   */
  readonly location?: string | undefined;
  /**
   * Your own client, cluster, sentinel or client pool of node-redis 5 or later. The store connects it if need be, and never
   * closes it. Default: none.
   */
  readonly client?: ExternalClient | undefined;
  /**
   * A Redis Cluster, by the options of node-redis's `createCluster`: `{ rootNodes, defaults, nodeAddressMap, useReplicas }`. Credentials, TLS
   * and other connection options apply to every node.
   */
  readonly cluster?: ClusterOptions | undefined;
  /**
   * A primary under sentinels, by the options of node-redis's `createSentinel`: `{ name, sentinelRootNodes, nodeClientOptions,
   * sentinelClientOptions, nodeAddressMap, scanInterval }`. Credentials, TLS and other connection options apply to primary and replicas, not
   * to the sentinels. Default: none.
   */
  readonly sentinel?: SentinelOptions | undefined;
  /**
   * `'replica'`: reads go to the replicas of `cluster` or `sentinel` in turn, and to the primary if no replica is connected. They may be stale,
   * because a replica lags behind its primary. Default `'primary'`.
   */
  readonly readFrom?: 'primary' | 'replica' | undefined;
  /**
   * A pool class with its arguments, or a pool of `createPool` that several stores share. Stores never close a shared pool. Default: one
   * connection for all calls.
   * @example pool: { class: RoundRobinPool, size: 4 }
   */
  readonly pool?: PoolOptions | Pool | undefined;
  /**
   * Replaces node-redis by a direct connection with this RESP 2 parser, for one server: `'auto'` for our own parser, the class of the package
   * `redis-parser`, or your own class with the same contract. Of node-redis's options it takes `url`, `socket`, `username`, `password`,
   * `credentialsProvider`, `database` and `name`. Default: node-redis and its parser.
   */
  readonly parser?: ParserClass | 'auto' | undefined;
  /** The deadline of one operation in milliseconds > 0, connecting and waiting for a connection included. Default 1000. */
  readonly timeout?: Duration | undefined;
  /** The circuit breaker: when it opens, and when it tries Redis again. `false` for none. Default: on. */
  readonly breaker?: BreakerOptions | false | undefined;
  /** The maximum of pending operations, ≥ 1. Further ones fail at once. A batch counts once. Default 50 000. */
  readonly maxPending?: number | undefined;
  /**
   * The maximum of bytes that wait in this process for the network, for each connection, ≥ 1. A further command fails at once with
   * ERR_BACKPRESSURE, and so does one that waited for half of `timeout`. Default 64 MiB.
   */
  readonly maxPendingBytes?: number | undefined;
}

/** The options of `redisStore`, and with some more those of Keyv. */
export interface StoreOptions extends CodecOptions, TtlOptions, ConnectionOptions {
  // Keys
  /**
   * The prefix of every key: `prefix:key`. Default `'cache'`, and `'keyv'` under Keyv. With `''` keys have no prefix (only those that
   * begin with `:`, `@` or `#` get a `:` in front), and what deletes many keys needs `wholeDatabase`.
   */
  readonly prefix?: string | undefined;
  /**
   * Whether `reset`, `clear`, `delPattern`, `sweep` and `reencode` may change every key of the database, those of other applications too. They
   * reject without it if the prefix is empty. It has no effect beside another prefix. Default false; `memory:` does not need it.
   */
  readonly wholeDatabase?: boolean | undefined;
  /**
   * The prefix by the name of cache-manager-redis-yet, which is written literally, also with `:`, `%`, `@` or `#` in it (see
   * {@link plainKeys}; it excludes `version` and `hashLongKeys` then). Default: `prefix`. Never passed to node-redis.
   */
  readonly keyPrefix?: string | undefined;
  /** A part of every key, which hides the entries of other versions: a string that is not empty or an integer ≥ 0. Default: none. */
  readonly version?: string | number | undefined;
  /**
   * Makes the key in Redis instead of `prefix:key`. It must be one-to-one. If it throws or returns no string, only that call fails, with
   * ERR_OPTION, and nothing is sent. Default: none.
   */
  readonly keyFunction?: ((key: string, prefix: string, version: string | undefined) => string) | undefined;
  /**
   * The inverse of `keyFunction`, `undefined` for foreign keys. Every scan needs it: `keys`, `reset`, `delPattern` … Only together with
   * `keyFunction`. Default: none.
   */
  readonly parseKey?: ((redisKey: string) => string | undefined) | undefined;
  /** A glob that matches every key of `keyFunction`, so that scans return fewer keys. Only together with `parseKey`. Default `'*'`. */
  readonly keyPattern?: string | undefined;
  /**
   * Replaces keys over 1 KiB by their SHA-256 digest. `keys()` and patterns then do not find them. Not together with `keyFunction`.
   * Default false.
   */
  readonly hashLongKeys?: boolean | undefined;

  // Values
  /** Whether a value is stored. Default: every value but `undefined`, which is never stored. */
  readonly isCacheable?: ((value: unknown) => boolean) | undefined;
  /**
   * The tags of an entry, for `invalidateTags`, in addition to those of a call; `true` if only calls have tags. With it `has`, `ttl`, `touch`,
   * `persist` and `keys` treat an entry with an invalidated tag as missing; without it they only ask whether Redis has the key. Not together
   * with `keyFunction` or a literal `keyPrefix`. Default: none.
   */
  readonly tags?: true | TagsOf | undefined;
  /**
   * Stores a generation of the whole store with every entry, so that `clear({ lazy: true })` invalidates all entries in one step. Set it in
   * every store that shares the keys: entries without a generation are misses, and `incr` is impossible. Default false.
   */
  readonly lazyClear?: boolean | undefined;

  // Failures
  /** `'miss'`: failed reads are misses, and failed writes store nothing. `'throw'`: both reject. An `error` event reports either. Default `'miss'`. */
  readonly onFailure?: OnFailure | undefined;
  /**
   * The fate of deletions (`del`, `mdel`, `clear`, those of Keyv) while Redis is unreachable. `'reject'`: they reject. `'queue'`: the process
   * keeps up to 10 000 keys, reads them as missing, and sends the deletions when Redis is back; an `error` event reports each. Default
   * `'reject'`, but under Keyv `'queue'` unless `onFailure` is `'throw'`.
   */
  readonly invalidations?: 'reject' | 'queue' | undefined;

  // Speed
  /** Merges the reads of one tick into one command of up to `max` keys (default 512). `false`: every read is a command. Default: on. */
  readonly batch?: BatchOptions | false | undefined;
  /**
   * A cache in the process in front of Redis, which the server invalidates (CLIENT TRACKING, RESP 3): `{ max, maxBytes, ttl, freeze,
   * maxStaleness }`, or `false`. If the server does not support tracking, one warning says so and every read goes to Redis. `memory:` ignores
   * it. Default: off.
   */
  readonly near?: NearOptions | false | undefined;
  /**
   * While Redis is away (the circuit breaker is not closed), serves what this process has read, made or written in the last moments: `{ max,
   * ttl }`, or `false`. Dropped when Redis is back. A write that cannot be sent then deletes the entry in Redis later, whatever
   * `invalidations` says. Needs the breaker; `memory:` ignores it. Default: off.
   */
  readonly offline?: OfflineOptions | false | undefined;
  /** The maximum of entries under `memory:`, ≥ 1. With a server it is an error: the near tier has `near: { max }`. Default 10 000. */
  readonly max?: number | undefined;

  // cache-manager's own
  /** An option of cache-manager in milliseconds, ignored here, so that one object can configure both. Default: none. */
  readonly refreshThreshold?: Milliseconds | undefined;
  /** An option of cache-manager, ignored here, so that one object can configure both. Default: none. */
  // biome-ignore lint/suspicious/noExplicitAny: cache-manager's signature
  readonly onBackgroundRefreshError?: ((error: any) => void) | undefined;
}

/** The options of node-redis's `createClient` that apply here. `near` replaces `clientSideCache` and `emitInvalidate`. */
export interface NodeRedisOptions extends Omit<ClientOptions, 'keyPrefix' | 'himportRegistry' | 'clientSideCache' | 'emitInvalidate'> {}

/** The option `offline`: what is served from the process while Redis is away. */
export interface OfflineOptions {
  /** The most entries that are recorded, ≥ 1, of 64 MiB together. The least recently used goes first. Default 10 000. */
  readonly max?: number | undefined;
  /**
   * For how long after it was read, made or written an entry is served, in milliseconds > 0. An entry that another process writes meanwhile
   * is not seen. One that this process wrote is served no longer than its own time to live. Default 30 000.
   */
  readonly ttl?: Duration | undefined;
}

/** The option `near`: an in-process tier in front of Redis, kept true by the server. */
export interface NearOptions {
  /** The most entries it holds, ≥ 1; known misses count. Those used once go first, then the least recently used. Default 10 000. */
  readonly max?: number | undefined;
  /** The most bytes of keys and stored values it holds, ≥ 1. Decoded values (`freeze`) are not counted. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** The longest an entry is kept, in milliseconds > 0. Default: as long as in Redis. Never longer than that. */
  readonly ttl?: Duration | undefined;
  /**
   * Share one decoded value among all callers of `get` and `mget`, deeply frozen, in place of decoding for each. Plain objects and
   * arrays are shared; values that cannot be frozen (a Buffer, a Map, a Date …) are decoded for each caller. Default false.
   */
  readonly freeze?: boolean | undefined;
  /**
   * For how long entries are still served after the connection that keeps them true was lost, in milliseconds ≥ 0.
   * Default 0: they are dropped at once.
   */
  readonly maxStaleness?: Duration | undefined;
}
