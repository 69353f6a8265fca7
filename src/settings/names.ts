import type { ClientOptions } from '../connection/target.js';
import { OptionError } from '../errors.js';
import type { StoreOptions } from '../options.js';

/** node-redis's own options, which pass through. Checked against its types, so that none is forgotten when it gains one. */
export const clientOptions: Record<keyof Omit<ClientOptions, 'keyPrefix' | 'himportRegistry'>, true> = {
  RESP: true,
  clientInfoTag: true,
  clientSideCache: true,
  commandOptions: true,
  commandsQueueMaxLength: true,
  credentialsProvider: true,
  database: true,
  disableClientInfo: true,
  disableOfflineQueue: true,
  emitInvalidate: true,
  functions: true,
  maintEndpointType: true,
  maintNotifications: true,
  maintRelaxedCommandTimeout: true,
  maintRelaxedSocketTimeout: true,
  modules: true,
  name: true,
  password: true,
  pingInterval: true,
  readonly: true,
  scripts: true,
  socket: true,
  url: true,
  username: true,
};

const ownOptions: Record<Exclude<keyof StoreOptions, keyof typeof clientOptions>, true> = {
  batch: true,
  breaker: true,
  client: true,
  cluster: true,
  compression: true,
  encryption: true,
  hashLongKeys: true,
  invalidations: true,
  isCacheable: true,
  keyFunction: true,
  keyPattern: true,
  keyPrefix: true,
  lazyClear: true,
  location: true,
  max: true,
  maxPending: true,
  maxDecompressedSize: true,
  maxTtl: true,
  near: true,
  onBackgroundRefreshError: true,
  onFailure: true,
  parseKey: true,
  parser: true,
  pool: true,
  prefix: true,
  readFrom: true,
  refreshThreshold: true,
  sentinel: true,
  serializer: true,
  tags: true,
  timeout: true,
  ttl: true,
  ttlJitter: true,
  version: true,
};

/** Options of node-redis 4 that redis-yet's users have, and of the modules that call us; without effect on us. */
const ignored = ['isolationPoolOptions', 'store', 'stores', 'isGlobal'];

/** Refuses options that nobody knows. `extra`: names that the face knows beyond ours. */
export function checkNames(options: StoreOptions, extra: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(clientOptions, name) || Object.hasOwn(ownOptions, name) || ignored.includes(name) || extra.includes(name)) continue;
    throw new OptionError(`unknown option \`${name}\`${didYouMean(name, extra)}`);
  }
}

/** The option that was probably meant, in words; matched without case and where one name begins with the other. */
function didYouMean(name: string, extra: readonly string[]): string {
  const lower = name.toLowerCase();
  const known = [...Object.keys(ownOptions), ...extra, ...Object.keys(clientOptions)];
  const near = known.find(
    (other) =>
      other.toLowerCase() === lower ||
      (lower.length > 2 && (other.toLowerCase().startsWith(lower) || lower.startsWith(other.toLowerCase()))),
  );
  return near === undefined ? '; options that only node-redis knows can be set on a `client` of your own' : `, did you mean \`${near}\`?`;
}
