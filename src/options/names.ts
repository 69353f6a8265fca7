import { similar, unknownNames } from '../checks.js';
import { clientOptions } from '../connection/client/client-options.js';
import { OptionError } from '../errors.js';
import { named } from '../messages.js';
import type { ConnectionOptions, StoreOptions } from './options.js';

/** The options of `createPool`, without those of node-redis. */
const connectionOptions: Record<Exclude<keyof ConnectionOptions, keyof typeof clientOptions>, true> = {
  breaker: true,
  client: true,
  cluster: true,
  location: true,
  maxPending: true,
  maxPendingBytes: true,
  parser: true,
  pool: true,
  readFrom: true,
  sentinel: true,
  timeout: true,
};

const storeOptions: Record<Exclude<keyof StoreOptions, keyof ConnectionOptions>, true> = {
  batch: true,
  compression: true,
  encryption: true,
  hashLongKeys: true,
  invalidations: true,
  isCacheable: true,
  keyFunction: true,
  keyPattern: true,
  keyPrefix: true,
  lazyClear: true,
  max: true,
  maxContainers: true,
  maxDecompressedSize: true,
  maxTtl: true,
  maxValueSize: true,
  near: true,
  offline: true,
  onBackgroundRefreshError: true,
  onFailure: true,
  parseKey: true,
  prefix: true,
  readable: true,
  refreshThreshold: true,
  serializer: true,
  tags: true,
  ttl: true,
  ttlJitter: true,
  version: true,
  wholeDatabase: true,
};

/** Options of node-redis 4, as cache-manager-redis-yet's users set them, and of modules that call us. They have no effect here. */
const ignored = { isolationPoolOptions: true, store: true, stores: true, isGlobal: true };

/** Refuses all unknown options in one error. `extra`: names of further options of the face. @throws {OptionError} */
export function checkNames(options: StoreOptions, extra: readonly string[]): void {
  const own = { ...storeOptions, ...connectionOptions, ...Object.fromEntries(extra.map((name) => [name, true])) };
  const unknown = unknownNames(options, { ...own, ...clientOptions, ...ignored });
  if (unknown.length > 0) refuse(unknown, [...Object.keys(own), ...Object.keys(clientOptions)]);
}

/** Refuses options that are not for a connection. @throws {OptionError} */
export function checkPoolNames(options: ConnectionOptions): void {
  const unknown = unknownNames(options, { ...connectionOptions, ...clientOptions });
  const [first] = unknown.filter((name) => Object.hasOwn(storeOptions, name));
  if (first !== undefined) {
    throw new OptionError(
      `expected \`${first}\` to be left out: \`createPool\` takes options of the connection; pass it to \`redisStore\` or \`createKeyv\``,
    );
  }
  if (unknown.length > 0) refuse(unknown, [...Object.keys(connectionOptions), ...Object.keys(clientOptions)]);
}

function refuse(unknown: readonly string[], known: readonly string[]): never {
  const hints = unknown.map((name) => `${named(name)}${hint(name, known)}`);
  const rest = unknown.some((name) => hint(name, known) === '') ? '; set options that only node-redis knows on your own `client`' : '';
  throw new OptionError(`unknown option${unknown.length > 1 ? 's' : ''} ${hints.join('; ')}${rest}`);
}

/** The option to use instead, in words. */
function hint(name: string, known: readonly string[]): string {
  if (Object.hasOwn(foreignNames, name)) return `: ${foreignNames[name]}`;
  const match = similar(name, known);
  return match === undefined ? '' : `, did you mean \`${match}\`?`;
}

/** Options of other libraries, and their counterparts here. */
const foreignNames: Readonly<Record<string, string>> = {
  // Most clients.
  host: "use `location: 'host:port'`, or `socket: { host }`",
  hostname: "use `location: 'host:port'`, or `socket: { host }`",
  port: "use `location: 'host:port'`, or `socket: { port }`",
  path: "use `location: '/path/of/the/socket'`",
  db: 'use `database`',
  tls: "use `location: 'rediss://…'`, or `socket: { tls: true }`",
  ssl: "use `location: 'rediss://…'`, or `socket: { tls: true }`",
  uri: 'use `location`',
  connectionString: 'use `location`',
  user: 'use `username`',
  pass: 'use `password`',
  auth_pass: 'use `password`',
  auth: 'use `username` and `password`',
  redis: 'use `client` for a client of your own, or `location`',
  redisInstance: 'use `client`',
  // @keyv/redis and Keyv.
  namespace: 'use `prefix` (`namespace` is an option of Keyv)',
  keyPrefixSeparator: 'use `keyFunction` and `parseKey` (the separator is fixed)',
  useKeyPrefix: 'use `prefix` (`useKeyPrefix` is an option of Keyv)',
  useUnlink: 'not needed: deletions are UNLINK',
  clearBatchSize: 'not needed: `clear` scans and deletes in batches',
  noNamespaceAffectsAll: "use `prefix: ''`, with which the store owns the whole database",
  throwOnConnectError: 'use `await store.ready()`, which rejects when Redis cannot be reached',
  throwOnErrors: "use `onFailure: 'throw'`",
  connectionTimeout: 'use `timeout`, which includes connecting, or `socket: { connectTimeout }`',
  connectTimeout: 'use `timeout`, which includes connecting, or `socket: { connectTimeout }`',
  // cache-manager-redis-yet and its predecessors.
  isCacheableValue: 'use `isCacheable`',
  createOptions: 'put its members beside the other options',
  redisOptions: 'put its members beside the other options',
  clusterConfig: 'use `cluster: { rootNodes }`',
  rootNodes: 'use `cluster: { rootNodes }`',
  defaults: 'use `cluster: { rootNodes, defaults }`',
  // ioredis.
  nodes: 'use `cluster: { rootNodes }`',
  retryStrategy: 'use `socket: { reconnectStrategy }`',
  retry_strategy: 'use `socket: { reconnectStrategy }`',
  reconnectOnError: 'not needed: the store replaces a broken connection',
  lazyConnect: 'not needed: the store connects on first use, and `await store.ready()` earlier',
  maxRetriesPerRequest: 'not needed: `timeout` is the deadline of a call',
  commandTimeout: 'use `timeout`',
  enableOfflineQueue: 'use `disableOfflineQueue`',
  enableReadyCheck: 'not needed: a loading server counts as unavailable',
  enableAutoPipelining: 'use `batch`, which is on by default',
  connectionName: 'use `name`',
  readOnly: 'use `readFrom`',
  keepAlive: 'use `socket: { keepAlive }`',
  noDelay: 'use `socket: { noDelay }`',
  family: 'use `socket: { family }`',
  sentinels: 'use `sentinel: { name, sentinelRootNodes }`',
  sentinelPassword: 'use `sentinel: { sentinelClientOptions: { password } }`',
  sentinelUsername: 'use `sentinel: { sentinelClientOptions: { username } }`',
  sentinelRootNodes: 'use `sentinel: { name, sentinelRootNodes }`',
  scaleReads: 'use `readFrom`',
  // Caches in the process.
  maxSize: 'use `max` for `memory:`, or `near: { max }`',
  maxAge: 'use `ttl`, in milliseconds',
  stdTTL: 'use `ttl`, in milliseconds',
  ttlInSeconds: 'use `ttl`, in milliseconds',
};
