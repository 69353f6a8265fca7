export * from './errors.js';
export type { AdapterInfo, KeyvRedisOptions } from './keyv/adapter.js';
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
