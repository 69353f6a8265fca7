export * from './errors.js';
export { KeyvRedisStore } from './keyv/adapter.js';
export { coherentMemory } from './keyv/coherent-memory.js';
export type { AdapterInfo, KeyvCapabilities, KeyvEntry, KeyvRedisOptions } from './keyv/contract.js';
export { type CreateKeyvOptions, createKeyv, type OwnOptions } from './keyv/create-keyv.js';
export { storeOf } from './keyv/store-of.js';
export type { Connect } from './options/locations.js';
export type { CommandTrace, EntryEvent, LoadTrace, ReadEvent, ReadTier, Source, StoreEvents } from './telemetry/events.js';
export type { NearHolding, StatsOptions, StoreStats, TierStats } from './telemetry/stats.js';
