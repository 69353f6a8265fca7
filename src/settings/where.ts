import { checkClientOptions, clientOptions } from '../connection/client-options.js';
import { kindOf } from '../connection/given.js';
import type { Pool, PoolOptions } from '../connection/pool.js';
import { type ClientOptions, parseLocation, type Target } from '../connection/target.js';
import { type ClusterOptions, clusterPlan, sentinelPlan } from '../connection/topologies.js';
import { expected, OptionError } from '../errors.js';
import type { ConnectionOptions, StoreOptions } from '../options.js';
import { check } from './check.js';
import type { Settings } from './settings.js';

/** Where the entries are: the one place that the options name. Two that contradict each other are an error. */
export function parseTarget(options: ConnectionOptions): Target {
  const { client, location, url, pool, cluster, sentinel, readFrom } = options;
  checkClientOptions(options);
  check('readFrom', "'primary' or 'replica'", readFrom, [undefined, 'primary', 'replica'].includes(readFrom));
  if (client !== undefined) {
    check('client', 'a client, cluster, sentinel or pool of node-redis 5 or later', client, kindOf(client) !== undefined);
    refuseBeside('client', options, ['location', 'pool', 'parser', 'cluster', 'sentinel', 'readFrom']);
    return { kind: 'client', client };
  }
  if (typeof (pool as Pool | undefined)?.use === 'function') {
    refuseBeside('pool', options, ['location', 'parser', 'cluster', 'sentinel', 'readFrom']);
  }
  if (cluster !== undefined || sentinel !== undefined) return parseTopology(options);
  check('readFrom', "left out where neither `cluster` nor `sentinel` is given, or 'primary'", readFrom, readFrom !== 'replica');
  check('url', 'left out where `location` is given', 'a URL', url === undefined || location === undefined);
  const parsed = parseLocation(location === undefined ? (url ?? 'localhost:6379') : location);
  if (parsed.kind === 'memory') return parsed;
  const given = clientOptionsOf(options);
  refuseVain(options, given);
  const { tls } = (given.socket ?? {}) as { tls?: boolean };
  const named = parsed.options.socket as { tls?: boolean } | undefined;
  if (tls !== undefined && named?.tls !== undefined && tls !== named.tls) {
    throw new OptionError(expected('socket.tls', `${named.tls}, as the location says`, tls));
  }
  // Where only node-redis's options say where the server is, the default location must not contradict them.
  if (location === undefined && url === undefined && given.socket) return { kind: 'server', options: given };
  refuseContradictions(given, parsed.options);
  return {
    kind: 'server',
    options: {
      ...given,
      ...parsed.options,
      socket: { ...given.socket, ...parsed.options.socket } as NonNullable<ClientOptions['socket']>,
    },
  };
}

type Place = { readonly host?: unknown; readonly port?: unknown; readonly path?: unknown };

/** Refuses options that contradict the location. Shows neither value: both may be secret. */
function refuseContradictions(given: ClientOptions, named: ClientOptions): void {
  const differs = (name: string, one: unknown, other: unknown, excluded = false): void => {
    if (one === undefined || (other === undefined ? !excluded : one === other)) return;
    throw new OptionError(`expected \`${name}\` to be left out, or as the location says`);
  };
  for (const name of ['username', 'password', 'database'] as const) differs(name, given[name], named[name]);
  const [socket, there] = [(given.socket ?? {}) as Place, (named.socket ?? {}) as Place];
  for (const name of ['host', 'port'] as const) differs(`socket.${name}`, socket[name], there[name], there.path !== undefined);
  differs('socket.path', socket.path, there.path, there.host !== undefined);
}

function parseTopology(options: ConnectionOptions): Target {
  const { cluster, sentinel, readFrom } = options;
  const where = cluster === undefined ? 'sentinel' : 'cluster';
  refuse(where, options, ['location', 'url', 'pool', 'parser', ...(cluster === undefined ? [] : (['sentinel'] as const))]);
  const given = clientOptionsOf(options);
  refuseVain(options, given);
  refuse(where, (given.socket ?? {}) as { host?: unknown; port?: unknown; path?: unknown }, ['host', 'port', 'path'], 'socket.');
  const replicas = readFrom === 'replica';
  if (sentinel !== undefined) return { kind: 'sentinel', plan: sentinelPlan(sentinel, given, replicas) };
  check('database', '0 or left out beside `cluster`, which has no other', options.database, !options.database);
  return { kind: 'cluster', plan: clusterPlan(cluster as ClusterOptions, given, replicas) };
}

/** The options of node-redis that the direct connection of `parser` uses. */
const direct = ['RESP', 'credentialsProvider', 'database', 'name', 'password', 'socket', 'username'];

/** Refuses options of node-redis that have no effect beside others. */
function refuseVain({ parser, near }: StoreOptions, given: ClientOptions): void {
  const { RESP = 3, credentialsProvider, maintNotifications } = given;
  if (parser !== undefined) {
    for (const name of Object.keys(given)) {
      if (!direct.includes(name)) throw vain(name, '`parser`: its connection is not made by node-redis');
    }
    check('RESP', '2 where `parser` is given', given.RESP, given.RESP === undefined || given.RESP === 2);
    if (credentialsProvider?.type === 'streaming-credentials-provider') {
      throw new OptionError("expected `credentialsProvider.type` to be 'async-credentials-provider' beside `parser`");
    }
  }
  if (credentialsProvider !== undefined) {
    for (const name of ['username', 'password'] as const) if (given[name] !== undefined) throw vain(name, '`credentialsProvider`');
  }
  const never = near ? '`near`' : RESP === 2 ? '`RESP: 2`' : undefined;
  if (never !== undefined && maintNotifications !== undefined && maintNotifications !== 'disabled') {
    throw new OptionError(`expected \`maintNotifications\` to be 'disabled' or left out beside ${never}`);
  }
  const off = maintNotifications === 'disabled' ? "`maintNotifications: 'disabled'`" : never;
  for (const name of ['maintEndpointType', 'maintRelaxedCommandTimeout', 'maintRelaxedSocketTimeout'] as const) {
    if (off !== undefined && given[name] !== undefined) throw vain(name, off);
  }
}

/** Shows no value: it may be secret. */
function vain(name: string, beside: string): OptionError {
  return new OptionError(`expected \`${name}\` to be left out beside ${beside}`);
}

/** node-redis's own among the options. */
function clientOptionsOf(options: ConnectionOptions): ClientOptions {
  const own = Object.entries(options).filter(([name, value]) => name in clientOptions && name !== 'url' && value !== undefined);
  return Object.fromEntries(own) as ClientOptions;
}

/** Options that would be passed over without a word, because where the entries are is said elsewhere. Their values may be secret. */
function refuse<T extends object>(where: string, options: T, names: readonly (string & keyof T)[], of = ''): void {
  const vain = names.find((name) => options[name] !== undefined);
  if (vain !== undefined) throw new OptionError(`expected \`${of}${vain}\` to be left out where \`${where}\` says where the entries are`);
}

function refuseBeside(where: string, options: ConnectionOptions, more: readonly (keyof ConnectionOptions)[]): void {
  refuse(where, options, [...more, ...(Object.keys(clientOptions) as (keyof ConnectionOptions)[])]);
}

/** The pool that was given, or the class of one that is to be made. */
export function parsePool({ pool }: ConnectionOptions): Settings['pool'] {
  if (pool === undefined) return undefined;
  if (typeof pool === 'object' && pool !== null) {
    if (typeof (pool as Pool).use === 'function' && typeof (pool as Pool).close === 'function') return pool as Pool;
    const { class: poolClass, ...kwargs } = pool as PoolOptions;
    if (typeof poolClass === 'function') return { class: poolClass, kwargs };
  }
  throw new OptionError(expected('pool', 'an object with a pool class as `class`, or a pool', pool));
}
