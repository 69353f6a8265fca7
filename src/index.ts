export type { CounterOptions } from './cache.js';
export type { CodecOptions, CompressionOptions } from './codec/codec.js';
export {
  brotliCompressor,
  type Compressor,
  gzipCompressor,
  zstdCompressor,
} from './codec/compressors.js';
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
export type {
  Argument,
  Connection,
  OpenConnection,
  Reply,
  Route,
  Status,
} from './connection/connection.js';
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
export type { StoreEvents } from './events.js';
export type { OnFailure } from './failure.js';
export { plainKeys } from './keys/plain-keys.js';
export type { ConnectionOptions, StoreOptions } from './options.js';
export type {
  ClearOptions,
  ReencodeOptions,
  ReencodeProgress,
} from './scope.js';
export { type Entries, nullStore, RedisStore, redisStore } from './store.js';
export type { Milliseconds, Ttl, TtlOptions } from './ttl.js';
