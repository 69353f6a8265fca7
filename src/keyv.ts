export * from './errors.js';
export type { EntryEvent, ReadEvent, StoreEvents } from './events.js';
export type { AdapterInfo, KeyvRedisOptions } from './keyv/adapter.js';
export { coherentMemory } from './keyv/coherent-memory.js';
export { createKeyv } from './keyv/create-keyv.js';
export {
  type KeyvEntry,
  type KeyvRedisOptionsV5,
  KeyvRedisStoreV5,
} from './keyv/v5.js';
export {
  type KeyvCapabilities,
  KeyvRedisStore,
  type KeyvStorageEntry,
} from './keyv/v6.js';
export type { NearHolding } from './near/tier.js';
export type { StatsOptions, StoreStats, TierStats } from './telemetry/stats.js';
export type { CommandTrace, LoadTrace, Source } from './telemetry/tracing.js';
