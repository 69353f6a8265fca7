export type { CounterOptions } from './cache.js';
export type { CodecOptions } from './codec/codec.js';
export {
  brotliCompressor,
  type Compressor,
  type DecompressionLimit,
  gzipCompressor,
  zstdCompressor,
} from './codec/compressors.js';
export type { EncryptionKey, EncryptionOptions } from './codec/encryption.js';
export type { CompressionOptions, PackingOptions } from './codec/packing.js';
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
export { CoherentMemory, coherentMemory } from './coherent-memory.js';
export type { BatchOptions } from './commands/batching.js';
export type { BreakerOptions, BreakerState } from './connection/breaker.js';
export type {
  Argument,
  Caller,
  Connection,
  OpenConnection,
  Reply,
  Route,
  Status,
} from './connection/connection.js';
export type { CallOptions } from './connection/guard.js';
export { type Parser, type ParserClass, type ParserOptions, ReplyParser } from './connection/parser.js';
export type { Pool, PoolClass, PoolOptions } from './connection/pool.js';
export {
  type BlockingOptions,
  BlockingPool,
  type RoundRobinOptions,
  RoundRobinPool,
  SharedConnection,
} from './connection/pools.js';
export { createPool } from './create.js';
export * from './errors.js';
export type { EntryEvent, ReadEvent, StoreEvents } from './events.js';
export type { ClearOptions } from './extras/clear-options.js';
export type { Entries } from './extras/entries.js';
export type { Factory, FactoryContext } from './extras/factory.js';
export type { GetOrSetOptions } from './extras/load-options.js';
export { Lock, type LockOptions } from './extras/lock.js';
export type { ReencodeOptions, ReencodeProgress } from './extras/reencode.js';
export type { TagsOf, WriteOptions } from './extras/write-options.js';
export type { OnFailure } from './failure.js';
export { plainKeys } from './keys/plain-keys.js';
export type { NearOptions } from './near/options.js';
export type { NearHolding } from './near/tier.js';
export type { ConnectionOptions, StoreOptions } from './options.js';
export { nullStore, RedisStore, redisStore } from './store.js';
export type { StatsOptions, StoreStats, TierStats } from './telemetry/stats.js';
export type { CommandTrace, LoadTrace, Source } from './telemetry/tracing.js';
export type { Milliseconds, Ttl, TtlOptions } from './ttl.js';
