import { RedisClient, type RedisClusterOptions, type RedisSentinelOptions } from '@redis/client';
import { expected, OptionError } from '../errors.js';
import { isOptions, type Names, onlyKnown } from '../known-names.js';
import { maxTimerDelay } from '../ttl.js';
import { checkClientOptions, clientOptions } from './client-options.js';
import type { ClientOptions } from './target.js';

/** node-redis's `RedisClusterOptions`, as far as they say where the nodes are and how to connect to them. */
export type ClusterOptions = Pick<
  RedisClusterOptions,
  'rootNodes' | 'defaults' | 'nodeAddressMap' | 'maxCommandRedirections' | 'useReplicas'
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
  checkOptions('cluster', cluster, clusterNames);
  const { rootNodes, defaults, nodeAddressMap, maxCommandRedirections = 16, useReplicas = false } = cluster;
  whole('cluster.maxCommandRedirections', maxCommandRedirections);
  if (typeof useReplicas !== 'boolean') throw new OptionError(expected('cluster.useReplicas', 'a boolean', useReplicas));
  if (defaults !== undefined) checkNode('cluster.defaults', defaults);
  const listed = nodes('cluster.rootNodes', rootNodes);
  for (const [i, root] of listed.entries()) checkNode(`cluster.rootNodes[${i}]`, root);
  const roots = listed.map((root) => resolved(root as ClientOptions));
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
  checkOptions('sentinel', sentinel, sentinelNames);
  const { name, sentinelRootNodes, nodeClientOptions, sentinelClientOptions = {}, nodeAddressMap } = sentinel;
  const { scanInterval = 10_000, replicaPoolSize = 0 } = sentinel;
  if (!(typeof scanInterval === 'number' && scanInterval >= 0 && scanInterval <= maxTimerDelay)) {
    throw new OptionError(expected('sentinel.scanInterval', `a number of milliseconds ≥ 0 and ≤ ${maxTimerDelay}`, scanInterval));
  }
  whole('sentinel.replicaPoolSize', replicaPoolSize);
  if (nodeClientOptions !== undefined) checkNode('sentinel.nodeClientOptions', nodeClientOptions);
  checkNode('sentinel.sentinelClientOptions', sentinelClientOptions);
  if (typeof name !== 'string' || name === '') throw new OptionError(expected('sentinel.name', 'the name of a primary', name));
  const roots = nodes('sentinel.sentinelRootNodes', sentinelRootNodes);
  for (const [i, root] of roots.entries()) checkOptions(`sentinel.sentinelRootNodes[${i}]`, root, { host: true, port: true });
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

const clusterNames: Record<keyof ClusterOptions, true> = {
  rootNodes: true,
  defaults: true,
  nodeAddressMap: true,
  maxCommandRedirections: true,
  useReplicas: true,
};
const sentinelNames: Record<keyof SentinelOptions, true> = {
  name: true,
  sentinelRootNodes: true,
  nodeClientOptions: true,
  sentinelClientOptions: true,
  nodeAddressMap: true,
  scanInterval: true,
  replicaPoolSize: true,
};

/** Shows no value: it may be a URL with a password. */
function checkOptions(where: string, options: unknown, names: Names): void {
  if (!isOptions(options)) throw new OptionError(`expected \`${where}\` to be an object`);
  onlyKnown(where, options, names);
}

/** node-redis's options for one node. */
function checkNode(where: string, options: unknown): void {
  checkOptions(where, options, clientOptions);
  checkClientOptions(options as ClientOptions, `${where}.`);
}

function whole(name: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new OptionError(expected(name, 'an integer ≥ 0', value));
}

function addressMap(where: string, map: ClusterOptions['nodeAddressMap']): AddressMap {
  if (map === undefined) return (address) => address;
  if (typeof map !== 'function' && !isOptions(map)) {
    throw new OptionError(expected(`${where}.nodeAddressMap`, 'an object or a function', map));
  }
  return (address) => {
    const mapped = typeof map === 'function' ? map(address) : map[address];
    return mapped ? `${mapped.host}:${mapped.port}` : address;
  };
}
