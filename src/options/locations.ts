import { check, checkUnshown, isPlainObject } from '../checks.js';
import { type ClientOptions, checkClientOptions, clientOptions } from '../connection/client/client-options.js';
import { parseLocation } from '../connection/location.js';
import { kindOf, type OpenPoolOptions } from '../connection/open.js';
import type { Pool, PoolOptions } from '../connection/pools.js';
import { type ClusterOptions, clusterPlan, type ExternalClient, sentinelPlan, type Target } from '../connection/target.js';
import { checkAgreement, checkTlsOptions, tlsWord } from '../connection/tls.js';
import { OptionError } from '../errors.js';
import { expected, shown } from '../messages.js';
import type { Source } from '../telemetry/events.js';
import type { ConnectionOptions, StoreOptions } from './options.js';

/** The place of the entries that the options name. @throws {OptionError} for options that contradict each other */
export function parseTarget(options: ConnectionOptions): Target {
  const { client, location, url, pool, cluster, sentinel, readFrom } = options;
  checkClientOptions(options);
  check('readFrom', "'primary' or 'replica'", readFrom, [undefined, 'primary', 'replica'].includes(readFrom));
  if (client !== undefined) {
    check('client', 'a client, cluster, sentinel or pool of node-redis 5 or later', client, kindOf(client) !== undefined);
    // node-redis does not prefix what is sent as it is, as all commands of a store are.
    const prefix = client.options?.keyPrefix ?? client._keyPrefix;
    checkUnshown('client', 'one without `keyPrefix`: give the store the option `keyPrefix` instead', !prefix);
    refuseBeside('client', options, ['location', 'pool', 'parser', 'cluster', 'sentinel', 'readFrom']);
    leaveOut('maxPendingBytes', '`client`, which has a queue of its own', options.maxPendingBytes === undefined);
    return { kind: 'client', client };
  }
  if (typeof (pool as Pool | undefined)?.use === 'function') {
    refuseBeside('pool', options, ['location', 'parser', 'cluster', 'sentinel', 'readFrom']);
    leaveOut('maxPendingBytes', '`pool`: `createPool` takes it', options.maxPendingBytes === undefined);
  }
  if (cluster !== undefined || sentinel !== undefined) return parseTopology(options);
  check('readFrom', "'primary' or left out without `cluster` and `sentinel`", readFrom, readFrom !== 'replica');
  checkUnshown('url', 'left out beside `location`', url === undefined || location === undefined);
  const parsed = parseLocation(location === undefined ? (url ?? 'localhost:6379') : location);
  if (parsed.kind === 'memory') return parsed;
  const own = clientOptionsOf(options);
  checkAgreement([tlsWord(location === undefined ? 'url' : 'location', parsed.options), tlsWord('socket.tls', own)]);
  // `socket` alone names the server: it must not contradict the default location.
  if (location === undefined && url === undefined && own.socket) return server(own);
  refuseContradictions(own, parsed.options);
  const socket = { ...own.socket, ...parsed.options.socket } as NonNullable<ClientOptions['socket']>;
  return server({ ...own, ...parsed.options, socket });
}

function server(options: ClientOptions): Target {
  checkTlsOptions('socket', options);
  return { kind: 'server', options };
}

type Address = { readonly host?: unknown; readonly port?: unknown; readonly path?: unknown };

function refuseContradictions(own: ClientOptions, named: ClientOptions): void {
  const differs = (name: string, one: unknown, other: unknown, excluded = false): void => {
    const isConsistent = one === undefined || (other === undefined ? !excluded : one === other);
    checkUnshown(name, 'left out, or as the location says', isConsistent);
  };
  for (const name of ['username', 'password', 'database'] as const) differs(name, own[name], named[name]);
  const [socket, there] = [(own.socket ?? {}) as Address, (named.socket ?? {}) as Address];
  for (const name of ['host', 'port'] as const) differs(`socket.${name}`, socket[name], there[name], there.path !== undefined);
  differs('socket.path', socket.path, there.path, there.host !== undefined);
}

function parseTopology(options: ConnectionOptions): Target {
  const { cluster, sentinel, readFrom } = options;
  const topology = cluster === undefined ? 'sentinel' : 'cluster';
  refuse(topology, options, ['location', 'url', 'pool', 'parser', ...(cluster === undefined ? [] : (['sentinel'] as const))]);
  const own = clientOptionsOf(options);
  refuse(topology, (own.socket ?? {}) as Address, ['host', 'port', 'path'], 'socket.');
  const replicas = readFrom === 'replica';
  if (sentinel !== undefined) return { kind: 'sentinel', plan: sentinelPlan(sentinel, own, replicas) };
  check('database', '0 or left out beside `cluster`, which has no other', options.database, !options.database);
  return { kind: 'cluster', plan: clusterPlan(cluster as ClusterOptions, own, replicas) };
}

/** The options of node-redis that the direct connection of `parser` takes. */
const directOptions = ['RESP', 'credentialsProvider', 'database', 'name', 'password', 'socket', 'username'];

/** Refuses options of node-redis that have no effect beside others. */
function refuseWithoutEffect({ parser, near }: StoreOptions, own: ClientOptions): void {
  const { RESP = 3, credentialsProvider, maintNotifications } = own;
  if (parser !== undefined) {
    for (const name of Object.keys(own)) {
      leaveOut(name, '`parser`, whose connection does not use node-redis', directOptions.includes(name));
    }
    check('RESP', '2 beside `parser`', own.RESP, own.RESP === undefined || own.RESP === 2);
    const isStreaming = credentialsProvider?.type === 'streaming-credentials-provider';
    checkUnshown('credentialsProvider.type', "'async-credentials-provider' beside `parser`", !isStreaming);
  }
  if (credentialsProvider !== undefined) {
    for (const name of ['username', 'password'] as const) leaveOut(name, '`credentialsProvider`', own[name] === undefined);
  }
  const disabledBy = near ? '`near`' : RESP === 2 ? '`RESP: 2`' : undefined;
  const isDisabled = maintNotifications === undefined || maintNotifications === 'disabled';
  checkUnshown('maintNotifications', `'disabled' or left out beside ${disabledBy}`, disabledBy === undefined || isDisabled);
  const off = maintNotifications === 'disabled' ? "`maintNotifications: 'disabled'`" : disabledBy;
  for (const name of ['maintEndpointType', 'maintRelaxedCommandTimeout', 'maintRelaxedSocketTimeout'] as const) {
    if (off !== undefined) leaveOut(name, off, own[name] === undefined);
  }
}

function leaveOut(name: string, other: string, ok: boolean): void {
  checkUnshown(name, `left out beside ${other}`, ok);
}

/** The options of node-redis among these. @throws {OptionError} for one that has no effect beside others */
function clientOptionsOf(options: ConnectionOptions): ClientOptions {
  const entries = Object.entries(options).filter(([name, value]) => name in clientOptions && name !== 'url' && value !== undefined);
  const own = Object.fromEntries(entries) as ClientOptions;
  refuseWithoutEffect(options, own);
  return own;
}

/** Refuses options that would have no effect, because the option `by` names the place of the entries. */
function refuse<T extends object>(by: string, options: T, names: readonly (string & keyof T)[], path = ''): void {
  for (const name of names) leaveOut(`${path}${name}`, `\`${by}\`, which names the server`, options[name] === undefined);
}

function refuseBeside(by: string, options: ConnectionOptions, more: readonly (keyof ConnectionOptions)[]): void {
  refuse(by, options, [...more, ...(Object.keys(clientOptions) as (keyof ConnectionOptions)[])]);
}

/** @throws {OptionError} for anything but a pool or an object with a pool class */
export function parsePool({ pool }: ConnectionOptions): OpenPoolOptions['pool'] {
  if (pool === undefined) return undefined;
  if (typeof pool === 'object' && pool !== null) {
    if (typeof (pool as Pool).use === 'function' && typeof (pool as Pool).close === 'function') return pool as Pool;
    const { class: poolClass, ...kwargs } = pool as PoolOptions;
    if (typeof poolClass === 'function') return { class: poolClass, kwargs };
  }
  throw new OptionError(expected('pool', 'an object with a pool class as `class`, or a pool', pool));
}

/** Describes the store to observers. Without user and password. */
export function sourceOf(
  face: Source['face'],
  { prefix, target, pool }: Pick<OpenPoolOptions, 'target' | 'pool'> & { readonly prefix: string },
): Source {
  if (target.kind !== 'server' || (pool && 'use' in pool)) return { face, prefix };
  const { socket, database = 0 } = target.options;
  const { path, host = 'localhost', port = 6379 } = (socket ?? {}) as { path?: string; host?: string; port?: number };
  return path === undefined ? { face, prefix, address: host, port, database } : { face, prefix, address: path, database };
}

/** The first argument of `redisStore`, `createKeyv` and `KeyvRedisStore`: a location, a client of node-redis, or options. */
export type Connect<Options> = string | ExternalClient | Options;

/**
 * One options object of the arguments `(url, options)`, `(client, options)` or `(options)`. The first may also be the options of
 * node-redis's `createCluster` or `createSentinel`, as for `@keyv/redis`.
 * `name`: the function, as an error names it. @throws {OptionError} for anything else
 */
export function optionsOf<Options extends StoreOptions>(name: string, connect: unknown, more: unknown): Options {
  const first = connectOptions(name, connect);
  if (more === undefined) return first as unknown as Options;
  if (!isPlainObject(more)) {
    throw new OptionError(`expected the second argument of \`${name}\` to be an options object, got ${described(more)}`);
  }
  // An explicit `undefined` counts as left out.
  const second = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
  const twice = Object.keys(second).filter((each) => first[each] !== undefined && first[each] !== second[each]);
  if (twice.length > 0) throw new OptionError(`${name} got ${twice.map((each) => `\`${each}\``).join(', ')} in both of its arguments`);
  return { ...first, ...second } as unknown as Options;
}

function connectOptions(name: string, connect: unknown): Record<string, unknown> {
  if (connect === undefined) return {};
  if (typeof connect === 'string') return { location: connect };
  if (kindOf(connect as ExternalClient) !== undefined) return { client: connect };
  if (isPlainObject(connect)) {
    if ('rootNodes' in connect) return { cluster: connect };
    return 'sentinelRootNodes' in connect ? { sentinel: connect } : connect;
  }
  throw new OptionError(
    `expected the first argument of \`${name}\` to be a location, a client of node-redis or an options object, got ${described(connect)}`,
  );
}

/** Describes a wrong argument, with a hint. */
export function described(thing: unknown): string {
  if (typeof thing !== 'object' || thing === null) return `\`${shown(thing)}\``;
  const has = (method: string): boolean => typeof (thing as Record<string, unknown>)[method] === 'function';
  if (has('then')) return 'a promise: await it first';
  if (has('defineCommand') && has('duplicate')) {
    return 'an ioredis client: pass a location, or a client that `createClient` of the package `redis` made';
  }
  if (has('sendCommand') && has('connect')) return 'a client of node-redis 4 or earlier: install `redis@5` or later';
  const { name } = (thing as object).constructor ?? {};
  // A `constructor` may be any text that only claims to be the name of a class.
  const isName = typeof name === 'string' && /^[A-Za-z_$][\w$]{0,39}$/.test(name);
  return Array.isArray(thing) ? 'an array' : `an instance of ${isName ? name : 'a class'}`;
}
