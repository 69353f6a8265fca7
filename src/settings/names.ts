import { clientOptions } from '../connection/client-options.js';
import { OptionError } from '../errors.js';
import { unknownNames } from '../known-names.js';
import type { ConnectionOptions, StoreOptions } from '../options.js';
import { similar } from '../similar.js';
import { foreignNames } from './foreign-names.js';

/** Where the entries are and how to get there, node-redis's options aside: what `createPool` takes. */
const connectionOptions: Record<Exclude<keyof ConnectionOptions, keyof typeof clientOptions>, true> = {
  breaker: true,
  client: true,
  cluster: true,
  location: true,
  maxPending: true,
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
  maxDecompressedSize: true,
  maxTtl: true,
  near: true,
  onBackgroundRefreshError: true,
  onFailure: true,
  parseKey: true,
  prefix: true,
  refreshThreshold: true,
  serializer: true,
  tags: true,
  ttl: true,
  ttlJitter: true,
  version: true,
};

/** Options of node-redis 4 that redis-yet's users have, and of the modules that call us; without effect on us. */
const ignored = { isolationPoolOptions: true, store: true, stores: true, isGlobal: true };

/** Refuses options that are unknown, all of them in one error. `extra`: names that the face knows beyond ours. */
export function checkNames(options: StoreOptions, extra: readonly string[]): void {
  const own = { ...storeOptions, ...connectionOptions, ...Object.fromEntries(extra.map((name) => [name, true])) };
  const unknown = unknownNames(options, { ...own, ...clientOptions, ...ignored });
  if (unknown.length > 0) refuse(unknown, [...Object.keys(own), ...Object.keys(clientOptions)]);
}

/** Refuses what is no option of the connection: `createPool` makes connections and knows no entries. */
export function checkPoolNames(options: ConnectionOptions): void {
  const foreign = unknownNames(options, { ...connectionOptions, ...clientOptions });
  const [first] = foreign.filter((name) => Object.hasOwn(storeOptions, name));
  if (first !== undefined) {
    throw new OptionError(
      `expected \`${first}\` to be left out: \`createPool\` takes options of the connection; give it to \`redisStore\` or \`createKeyv\``,
    );
  }
  if (foreign.length > 0) refuse(foreign, [...Object.keys(connectionOptions), ...Object.keys(clientOptions)]);
}

function refuse(unknown: readonly string[], known: readonly string[]): never {
  const hints = unknown.map((name) => `\`${name}\`${hint(name, known)}`);
  const rest = unknown.some((name) => hint(name, known) === '')
    ? '; options that only node-redis knows can be set on a `client` of your own'
    : '';
  throw new OptionError(`unknown option${unknown.length > 1 ? 's' : ''} ${hints.join('; ')}${rest}`);
}

/** What to use in its place, in words. */
function hint(name: string, known: readonly string[]): string {
  if (Object.hasOwn(foreignNames, name)) return `: ${foreignNames[name]}`;
  const meant = similar(name, known);
  return meant === undefined ? '' : `, did you mean \`${meant}\`?`;
}
