import { RedisClient, type RedisClusterOptions, type RedisSentinelOptions } from '@redis/client';
import { expected, OptionError } from '../errors.js';
import type { ClientOptions } from './target.js';

/** node-redis's `RedisClusterOptions`, as far as they say where the nodes are and how to connect to them. */
export type ClusterOptions = Pick<
  RedisClusterOptions,
  'rootNodes' | 'defaults' | 'nodeAddressMap' | 'maxCommandRedirections' | 'useReplicas' | 'minimizeConnections'
>;

/** node-redis's `RedisSentinelOptions`, as far as they say where the nodes are and how to connect to them. */
export type SentinelOptions = Pick<
  RedisSentinelOptions,
  'name' | 'sentinelRootNodes' | 'nodeClientOptions' | 'sentinelClientOptions' | 'nodeAddressMap' | 'scanInterval' | 'replicaPoolSize'
>;

/** Where the client finds an address that the nodes name each other by. */
export type AddressMap = (address: string) => string;

/** A cluster, normalised. */
export interface ClusterPlan {
  /** How to connect to the nodes that are named in the options. */
  readonly seeds: readonly ClientOptions[];
  /** How to connect to any other node, host and port aside. */
  readonly node: ClientOptions;
  readonly addresses: AddressMap;
  readonly redirections: number;
  readonly readReplicas: boolean;
}

/** A primary and its replicas that sentinels watch over, normalised. */
export interface SentinelPlan {
  readonly name: string;
  readonly seeds: readonly ClientOptions[];
  /** How to connect to a sentinel, and to a node; host and port aside. */
  readonly sentinel: ClientOptions;
  readonly node: ClientOptions;
  readonly addresses: AddressMap;
  readonly readReplicas: boolean;
  /** Milliseconds between looks at what the sentinels say; 0 for never. */
  readonly scanInterval: number;
}

/** `given` are node-redis's client options beside `cluster`: what every node gets, unless `defaults` says otherwise. */
export function clusterPlan(cluster: ClusterOptions, given: ClientOptions, readReplicas: boolean): ClusterPlan {
  known('cluster', cluster, ['rootNodes', 'defaults', 'nodeAddressMap', 'maxCommandRedirections', 'useReplicas', 'minimizeConnections']);
  const { rootNodes, defaults, nodeAddressMap, maxCommandRedirections = 16, useReplicas = false } = cluster;
  const roots = nodes('cluster.rootNodes', rootNodes).map((root) => resolved(root as ClientOptions));
  const all = merged(given, defaults as ClientOptions);
  // Said of a node only, a password or TLS goes for those it leads to as well, unless something else is said of them.
  const { database: _, ...first } = merged(roots[0] as ClientOptions, all);
  return {
    seeds: roots.map((root) => merged(all, root)),
    node: first,
    addresses: addressMap('cluster', nodeAddressMap),
    redirections: maxCommandRedirections,
    readReplicas: readReplicas || useReplicas,
  };
}

/** `given` are node-redis's client options beside `sentinel`: for primary and replicas, not for the sentinels. */
export function sentinelPlan(sentinel: SentinelOptions, given: ClientOptions, readReplicas: boolean): SentinelPlan {
  known('sentinel', sentinel, [
    'name',
    'sentinelRootNodes',
    'nodeClientOptions',
    'sentinelClientOptions',
    'nodeAddressMap',
    'scanInterval',
    'replicaPoolSize',
  ]);
  const { name, sentinelRootNodes, nodeClientOptions, sentinelClientOptions = {}, nodeAddressMap } = sentinel;
  const { scanInterval = 10_000, replicaPoolSize = 0 } = sentinel;
  if (typeof name !== 'string' || name === '') throw new OptionError(expected('sentinel.name', 'the name of a primary', name));
  const roots = nodes('sentinel.sentinelRootNodes', sentinelRootNodes);
  const own = sentinelClientOptions as ClientOptions;
  return {
    name,
    seeds: roots.map(({ host, port }) => merged(own, { socket: { host, port } })),
    sentinel: own,
    node: merged(given, nodeClientOptions as ClientOptions),
    addresses: addressMap('sentinel', nodeAddressMap),
    readReplicas: readReplicas || replicaPoolSize > 0,
    scanInterval,
  };
}

/** The options of one node: those of all, with its place. */
export function placed(options: ClientOptions, host: string, port: number): ClientOptions {
  return merged(options, { socket: { host, port } });
}

function merged(below: ClientOptions, above: ClientOptions = {}): ClientOptions {
  return { ...below, ...above, socket: { ...below.socket, ...above.socket } as NonNullable<ClientOptions['socket']> };
}

function resolved({ url, ...options }: ClientOptions): ClientOptions {
  if (url === undefined) return options;
  try {
    const { credentialsProvider: _, database: __, ...named } = RedisClient.parseURL(url);
    return merged(named, options);
  } catch {
    // It may hold a password.
    throw new OptionError('expected `url` of each of `cluster.rootNodes` to be a redis:// or rediss:// URL');
  }
}

function nodes<T>(name: string, list: readonly T[]): readonly T[] {
  if (Array.isArray(list) && list.length > 0) return list;
  throw new OptionError(expected(name, 'a list of one node or more', list));
}

function known(where: string, options: object, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw new OptionError(expected(where, 'an object', options));
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new OptionError(`unknown option \`${where}.${unknown}\`; here it takes ${names.join(', ')}`);
}

function addressMap(where: string, map: ClusterOptions['nodeAddressMap']): AddressMap {
  if (map === undefined) return (address) => address;
  if (typeof map !== 'function' && (typeof map !== 'object' || map === null)) {
    throw new OptionError(expected(`${where}.nodeAddressMap`, 'an object or a function', map));
  }
  return (address) => {
    const mapped = typeof map === 'function' ? map(address) : map[address];
    return mapped ? `${mapped.host}:${mapped.port}` : address;
  };
}
