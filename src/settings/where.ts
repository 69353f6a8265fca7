import { kindOf } from '../connection/given.js';
import type { Pool, PoolOptions } from '../connection/pool.js';
import { type ClientOptions, parseLocation, type Target } from '../connection/target.js';
import { type ClusterOptions, clusterPlan, sentinelPlan } from '../connection/topologies.js';
import { expected, OptionError } from '../errors.js';
import type { ConnectionOptions } from '../options.js';
import { check } from './check.js';
import { clientOptions } from './names.js';
import type { Settings } from './settings.js';

/** Where the entries are: the one place that the options name. Two that contradict each other are an error. */
export function parseTarget(options: ConnectionOptions): Target {
  const { client, location, url, pool, cluster, sentinel, readFrom } = options;
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
  check(
    'database',
    'an integer ≥ 0',
    options.database,
    options.database === undefined || (Number.isInteger(options.database) && options.database >= 0),
  );
  const parsed = parseLocation(location ?? url ?? 'localhost:6379');
  if (parsed.kind === 'memory') return parsed;
  const given = clientOptionsOf(options);
  const { tls } = (given.socket ?? {}) as { tls?: boolean };
  const named = parsed.options.socket as { tls?: boolean } | undefined;
  if (tls !== undefined && named?.tls !== undefined && tls !== named.tls) {
    throw new OptionError(expected('socket.tls', `${named.tls}, as the location says`, tls));
  }
  // Where only node-redis's options say where the server is, the default location must not contradict them.
  if (location === undefined && url === undefined && given.socket) return { kind: 'server', options: given };
  return {
    kind: 'server',
    options: {
      ...given,
      ...parsed.options,
      socket: { ...given.socket, ...parsed.options.socket } as NonNullable<ClientOptions['socket']>,
    },
  };
}

function parseTopology(options: ConnectionOptions): Target {
  const { cluster, sentinel, readFrom } = options;
  const where = cluster === undefined ? 'sentinel' : 'cluster';
  refuse(where, options, ['location', 'url', 'pool', 'parser', ...(cluster === undefined ? [] : (['sentinel'] as const))]);
  const given = clientOptionsOf(options);
  refuse(where, (given.socket ?? {}) as { host?: unknown; port?: unknown; path?: unknown }, ['host', 'port', 'path'], 'socket.');
  const replicas = readFrom === 'replica';
  if (sentinel !== undefined) return { kind: 'sentinel', plan: sentinelPlan(sentinel, given, replicas) };
  check('database', '0 or left out beside `cluster`, which has no other', options.database, !options.database);
  return { kind: 'cluster', plan: clusterPlan(cluster as ClusterOptions, given, replicas) };
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
    if (typeof (pool as Pool).use === 'function') return pool as Pool;
    const { class: poolClass, ...kwargs } = pool as PoolOptions;
    if (typeof poolClass === 'function') return { class: poolClass, kwargs };
  }
  throw new OptionError(expected('pool', 'an object with a pool class as `class`, or a pool', pool));
}
