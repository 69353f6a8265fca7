import type { CodecOptions } from './codec/codec.js';
import type { BatchOptions } from './commands/batching.js';
import type { BreakerOptions } from './connection/breaker.js';
import type { ParserClass } from './connection/parser.js';
import type { Pool, PoolOptions } from './connection/pool.js';
import type { ClientOptions, GivenClient } from './connection/target.js';
import type { ClusterOptions, SentinelOptions } from './connection/topologies.js';
import type { TagsOf } from './extras/write-options.js';
import type { OnFailure } from './failure.js';
import type { NearOptions } from './near/options.js';
import type { Milliseconds, TtlOptions } from './ttl.js';

/** Where the entries are: the options of node-redis's `createClient` (`near` replaces `clientSideCache` and `emitInvalidate`), and these. */
export interface ConnectionOptions extends Omit<ClientOptions, 'keyPrefix' | 'himportRegistry' | 'clientSideCache' | 'emitInvalidate'> {
  /**
   * `host:port`, `redis://`, `rediss://`, `unix://`, an absolute path to a unix socket, or `memory:` for an engine inside
   * the process, to which nothing of the connection applies. Default `'localhost:6379'`. `socket.host`, `username`,
   * `password`, `database` and the like beside it must not contradict it.
   */
  readonly location?: string | undefined;
  /** A client, cluster, sentinel or client pool of node-redis (5 or later) of your own instead. Connected if it is not; never closed. */
  readonly client?: GivenClient | undefined;
  /**
   * A Redis Cluster, as node-redis's `createCluster` takes it: `{ rootNodes, defaults, nodeAddressMap, useReplicas }`. Credentials, TLS
   * and whatever else stands beside it go for every node.
   */
  readonly cluster?: ClusterOptions | undefined;
  /**
   * A primary that sentinels watch over, as node-redis's `createSentinel` takes it: `{ name, sentinelRootNodes, nodeClientOptions,
   * sentinelClientOptions, nodeAddressMap, scanInterval }`. Credentials, TLS and whatever else stands beside it go for primary
   * and replicas, not for the sentinels.
   */
  readonly sentinel?: SentinelOptions | undefined;
  /**
   * `'replica'`: reads go to the replicas of `cluster` or `sentinel`, in turn, and to the primary only where no replica is
   * connected. They may be stale: a replica is behind its primary. Default `'primary'`.
   */
  readonly readFrom?: 'primary' | 'replica' | undefined;
  /**
   * Default: one connection for all calls. A class with its arguments, `{ class: RoundRobinPool, size: 4 }`; or a pool made
   * by `createPool`, for stores that shall share one (never closed by them).
   */
  readonly pool?: PoolOptions | Pool | undefined;
  /**
   * A direct connection of ours in place of node-redis's, for one server, with this parser: `'auto'` for ours, the class of
   * the npm package `redis-parser`, or one of your own with its contract. RESP 2. Of node-redis's options it takes `url`, `socket`,
   * `username`, `password`, `credentialsProvider`, `database` and `name`. Default: node-redis and its own parser.
   */
  readonly parser?: ParserClass | 'auto' | undefined;
  /** The deadline of one operation in milliseconds, end to end: connecting, waiting for a connection, the answer. Default 1000. */
  readonly timeout?: Milliseconds | undefined;
  /** When calls stop being sent to a Redis that does not answer, and when it is tried again; `false` for never. Default on. */
  readonly breaker?: BreakerOptions | false | undefined;
  /** The most operations under way at a time, ≥ 1; those beyond fail at once. A batch counts once. Default 50 000. */
  readonly maxPending?: number | undefined;
}

/** What stores under either face take. */
export interface StoreOptions extends ConnectionOptions, CodecOptions, TtlOptions {
  /**
   * What our keys begin with. Default `'cache'`. `''` declares the whole database ours: `reset` empties it, and keys stand
   * in it as they are (but for those that begin with `:`, `@` or `#`, which get a `:` in front).
   */
  readonly prefix?: string | undefined;
  /**
   * The same as `prefix`, by the name that cache-manager-redis-yet has for it, and written to the letter as it does, also where
   * it holds `:`, `%`, `@` or `#` (see {@link plainKeys}; `version` or `hashLongKeys` beside it is an error then). Never
   * handed to node-redis.
   */
  readonly keyPrefix?: string | undefined;
  /** A part of every key: entries of another version are not seen. Default: none. */
  readonly version?: string | number | undefined;
  /**
   * Makes the wire key in place of `prefix:key`. Two keys must never give the same one. Where it throws or gives no string, only that
   * call fails, as ERR_OPTION, and nothing is sent.
   */
  readonly keyFunction?: ((key: string, prefix: string, version: string | undefined) => string) | undefined;
  /** The way back from `keyFunction`, `undefined` for keys that are not ours. All that scans needs it: `keys`, `reset`, `delPattern` … An error without `keyFunction`. */
  readonly parseKey?: ((wireKey: string) => string | undefined) | undefined;
  /** A glob that matches every key `keyFunction` makes, to scan less. Default `'*'`. An error without `keyFunction`. */
  readonly keyPattern?: string | undefined;
  /** Store keys that would be longer than 1 KiB under their SHA-256 digest. `keys()` and patterns then do not see them. Default false. An error beside `keyFunction`. */
  readonly hashLongKeys?: boolean | undefined;
  /** Values it says no to are not stored. Default: everything but `undefined`, which is never stored. */
  readonly isCacheable?: ((value: unknown) => boolean) | undefined;
  /** `'miss'` (default): failed reads are misses, failed writes are not stored. `'throw'`: they reject. Either way an `error` event tells. */
  readonly onFailure?: OnFailure | undefined;
  /**
   * What becomes of deletions (`del`, `mdel`, `clear`, those of Keyv) while Redis cannot be reached. `'reject'` (default of a store): they
   * reject. `'queue'` (default under Keyv, unless `onFailure: 'throw'`): they are kept in this process, at most 10 000 keys and as long as it
   * lives, their keys read as missing here, and they are sent when Redis is back. An `error` event tells of each.
   */
  readonly invalidations?: 'reject' | 'queue' | undefined;
  /**
   * The tags of an entry, for `invalidateTags`, beside those that a call gives; or `true` where only calls give them. Either
   * makes `has`, `ttl`, `touch`, `persist` and `keys` take an entry whose tag was invalidated for gone; without the option they
   * ask only whether Redis has the key. Default: none. Not together with `keyFunction` or a literal `keyPrefix`.
   */
  readonly tags?: true | TagsOf | undefined;
  /**
   * Lets every entry carry a generation of the store, so that `clear({ lazy: true })` makes all of them stale in one step.
   * To be set in every store that shares the keys: entries without a generation are not read, and `incr` is not possible. Default false.
   */
  readonly lazyClear?: boolean | undefined;
  /** Same-tick coalescing of reads into many-key commands: `{ max }` keys in one (default 512), or `false`. Default on. */
  readonly batch?: BatchOptions | false | undefined;
  /**
   * An in-process tier in front of Redis that the server keeps true (CLIENT TRACKING, RESP 3): `{ max, maxBytes, ttl, freeze,
   * maxStaleness }`, or `false`. Where tracking cannot be had, one warning says so and every read goes to Redis. Without meaning
   * for `memory:`. Default off.
   */
  readonly near?: NearOptions | false | undefined;
  /** How many entries `memory:` holds, ≥ 1. Default 10 000. An error beside a server: the near tier has `near: { max }`. */
  readonly max?: number | undefined;
  /** cache-manager's own; accepted so that one object can configure both. Without meaning here. */
  readonly refreshThreshold?: Milliseconds | undefined;
  /** cache-manager's own; accepted so that one object can configure both. Without meaning here. */
  // biome-ignore lint/suspicious/noExplicitAny: cache-manager's signature
  readonly onBackgroundRefreshError?: ((error: any) => void) | undefined;
}
