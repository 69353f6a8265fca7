export type { CallOptions, ClearOptions, Entries, WriteOptions } from './cache/call-options.js';
export type { OnFailure, TagsOf } from './cache/context.js';
export type { ReencodeOptions, ReencodeProgress } from './cache/reencode.js';
export type { CounterOptions } from './cache/updates.js';
export type { CodecOptions } from './codec/codec.js';
export type { CompressionOptions, PackingOptions } from './codec/compression.js';
export {
  brotliCompressor,
  type Compressor,
  type DecompressionLimit,
  gzipCompressor,
  zstdCompressor,
} from './codec/compression.js';
export { type EncryptionKey, type EncryptionOptions, keyFromPassphrase } from './codec/encryption.js';
export type { LimitOptions } from './codec/limits.js';
export type { SchemaResult, StandardSchema } from './codec/schema.js';
export {
  type BinarySerializer,
  jsonSerializer,
  keyvSerializer,
  type MaybePromise,
  type MessagePack,
  msgpackSerializer,
  type Serializer,
  type TextSerializer,
  v8Serializer,
} from './codec/serializers.js';
export type { BatchOptions } from './commands/batching.js';
export type { BreakerOptions } from './connection/breaker.js';
export type {
  Argument,
  Caller,
  Connection,
  OpenConnection,
  Reply,
  Route,
  Status,
} from './connection/connection.js';
export { type Parser, type ParserClass, type ParserOptions, ReplyParser } from './connection/direct/parser.js';
export type { Pool, PoolClass, PoolOptions } from './connection/pools.js';
export {
  type BlockingOptions,
  BlockingPool,
  type RoundRobinOptions,
  RoundRobinPool,
  SharedConnection,
} from './connection/pools.js';
export * from './errors.js';
export { plainKeys } from './keys/custom-keys.js';
export type { Factory, FactoryContext, LoadTier } from './load/factory.js';
export type { GetOrSetOptions } from './load/load-options.js';
export type { Detailed } from './load/loader.js';
export type { Loaded, LoadMany } from './load/many-loads.js';
export type { Memoized, MemoizeOptions } from './load/memoize.js';
export { Lock, type LockOptions } from './lock/lock.js';
export type { ConnectionOptions, NearOptions, NodeRedisOptions, OfflineOptions, StoreOptions } from './options/options.js';
export { CoherentMemory, coherentMemory } from './store/coherent-memory.js';
export { createPool, nullStore, RedisStore, redisStore } from './store/store.js';
export type { TypedOptions, TypedStore } from './store/typed.js';
export type {
  BreakerState,
  CommandTrace,
  EntryEvent,
  LoadTrace,
  OutageEvent,
  ReadEvent,
  ReadTier,
  Source,
  StoreEvents,
} from './telemetry/events.js';
export type { NearHolding, StatsOptions, StoreStats, TierStats } from './telemetry/stats.js';
export type { Duration, DurationText, Milliseconds, Ttl, TtlOptions } from './ttl.js';
