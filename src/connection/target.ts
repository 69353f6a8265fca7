import type { EventEmitter } from 'node:events';
import type { RedisClusterOptions, RedisSentinelOptions } from '@redis/client';
import { check, checkInteger, checkUnshown, isOptions, isPlainObject, type Names, onlyKnown } from '../checks.js';
import { maxTimerDelay } from '../ttl.js';
import { type ClientOptions, checkClientOptions, checkSocketOptions, clientOptions, type SocketOptions } from './client/client-options.js';
import { parseUrl } from './location.js';
import { checkAgreement, checkAllSay, checkTlsOptions, tlsWord } from './tls.js';

/** The place of the entries, normalised once. */
export type Target =
  | { readonly kind: 'memory' }
  | { readonly kind: 'server'; readonly options: ClientOptions }
  | { readonly kind: 'cluster'; readonly plan: ClusterPlan }
  | { readonly kind: 'sentinel'; readonly plan: SentinelPlan }
  | { readonly kind: 'client'; readonly client: ExternalClient };

/** A node-redis client, cluster, sentinel or pool that the application created: the members that are used here. */
export interface ExternalClient
  extends Pick<EventEmitter, 'on' | 'off' | 'eventNames' | 'listenerCount' | 'getMaxListeners' | 'setMaxListeners'> {
  readonly isOpen: boolean;
  readonly options?:
    | (Pick<ClientOptions, 'socket'> & {
        readonly emitInvalidate?: boolean | undefined;
        readonly commandsQueueMaxLength?: number | undefined;
        readonly keyPrefix?: unknown;
      })
    | undefined;
  /** Its option `keyPrefix`, where it does not show its options. */
  readonly _keyPrefix?: unknown;
  /** Missing on a pool. */
  readonly isReady?: boolean;
  connect(): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: node-redis's own options, of any version and configuration
  withCommandOptions(options: any): any;
  destroy(): void;
  close(): Promise<unknown>;
}

/** The part of node-redis's `RedisClusterOptions` that says which nodes there are and how to connect to them. */
export type ClusterOptions = Pick<
  RedisClusterOptions,
  'rootNodes' | 'defaults' | 'nodeAddressMap' | 'maxCommandRedirections' | 'useReplicas'
>;

/** The part of node-redis's `RedisSentinelOptions` that says which nodes there are and how to connect to them. */
export type SentinelOptions = Pick<
  RedisSentinelOptions,
  'name' | 'sentinelRootNodes' | 'nodeClientOptions' | 'sentinelClientOptions' | 'nodeAddressMap' | 'scanInterval' | 'replicaPoolSize'
>;

/** Maps an address that nodes know each other by to one that this process can reach. */
export type AddressMap = (address: string) => string;

/** A cluster, normalised. */
export interface ClusterPlan {
  /** How to connect to the nodes that are named in the options. */
  readonly seeds: readonly ClientOptions[];
  /** How to connect to any other node, apart from host and port. */
  readonly node: ClientOptions;
  readonly addresses: AddressMap;
  readonly redirections: number;
  readonly readReplicas: boolean;
}

/** A primary and its replicas, monitored by sentinels, normalised. */
export interface SentinelPlan extends Omit<ClusterPlan, 'redirections'> {
  readonly name: string;
  /** How to connect to a sentinel that is not a seed, apart from host and port. */
  readonly sentinel: ClientOptions;
  /** Milliseconds between two questions to the sentinels; 0 for never. */
  readonly scanInterval: number;
}

/** Normalises the option `cluster`. `options`: the client options beside it, defaults of `cluster.defaults`. @throws {OptionError} */
export function clusterPlan(cluster: ClusterOptions, options: ClientOptions, readReplicas: boolean): ClusterPlan {
  checkOptions('cluster', cluster, clusterNames);
  const { rootNodes, defaults, nodeAddressMap, maxCommandRedirections = 16, useReplicas = false } = cluster;
  checkInteger('cluster.maxCommandRedirections', maxCommandRedirections, 0);
  check('cluster.useReplicas', 'a boolean', useReplicas, typeof useReplicas === 'boolean');
  if (defaults !== undefined) checkNodes('cluster.defaults', defaults);
  const listed = nodes('cluster.rootNodes', rootNodes);
  for (const [i, root] of listed.entries()) checkNode(`cluster.rootNodes[${i}]`, root);
  const roots = listed.map((root, i) => resolved(`cluster.rootNodes[${i}]`, root as ClientOptions));
  const all = merged(options, defaults as ClientOptions);
  const seeds = roots.map((root) => merged(all, root));
  const wordsOf = (some: readonly ClientOptions[]) => some.map((each, i) => tlsWord(`cluster.rootNodes[${i}].socket.tls`, each));
  const common = [tlsWord('socket.tls', options), tlsWord('cluster.defaults.socket.tls', defaults as ClientOptions)];
  checkAgreement([...common, ...wordsOf(roots)]);
  checkAllSay(wordsOf(seeds));
  for (const [i, seed] of seeds.entries()) checkTlsOptions(`cluster.rootNodes[${i}].socket`, seed);
  // A password or TLS given for the first root node only applies to discovered nodes too, unless `defaults` sets them.
  const { database: _, ...first } = merged(roots[0] as ClientOptions, all);
  return {
    seeds,
    node: first,
    addresses: addressMap('cluster', nodeAddressMap),
    redirections: maxCommandRedirections,
    readReplicas: readReplicas || useReplicas,
  };
}

/** Normalises the option `sentinel`. `options`: the client options beside it, not for the sentinels. @throws {OptionError} */
export function sentinelPlan(sentinel: SentinelOptions, options: ClientOptions, readReplicas: boolean): SentinelPlan {
  checkOptions('sentinel', sentinel, sentinelNames);
  const { name, sentinelRootNodes, nodeClientOptions, sentinelClientOptions = {}, nodeAddressMap } = sentinel;
  const { scanInterval = 10_000, replicaPoolSize = 0 } = sentinel;
  const isDelay = typeof scanInterval === 'number' && scanInterval >= 0 && scanInterval <= maxTimerDelay;
  check('sentinel.scanInterval', `a number of milliseconds ≥ 0 and ≤ ${maxTimerDelay}`, scanInterval, isDelay);
  checkInteger('sentinel.replicaPoolSize', replicaPoolSize, 0);
  if (nodeClientOptions !== undefined) checkNodes('sentinel.nodeClientOptions', nodeClientOptions);
  checkNodes('sentinel.sentinelClientOptions', sentinelClientOptions);
  check('sentinel.name', 'the name of a primary', name, typeof name === 'string' && name !== '');
  const roots = nodes('sentinel.sentinelRootNodes', sentinelRootNodes);
  for (const [i, root] of roots.entries()) {
    checkOptions(`sentinel.sentinelRootNodes[${i}]`, root, { host: true, port: true });
    checkSocketOptions(root, `sentinel.sentinelRootNodes[${i}].`);
  }
  const own = sentinelClientOptions as ClientOptions;
  const node = merged(options, nodeClientOptions as ClientOptions);
  checkAgreement([tlsWord('socket.tls', options), tlsWord('sentinel.nodeClientOptions.socket.tls', nodeClientOptions as ClientOptions)]);
  // No option reaches both sentinels and nodes. TLS for one of them must not leave the other in clear text unless that is said.
  const forNodes = tlsWord('', options).tls === undefined ? 'sentinel.nodeClientOptions.socket.tls' : 'socket.tls';
  checkAllSay([tlsWord(forNodes, node), tlsWord('sentinel.sentinelClientOptions.socket.tls', own)]);
  checkTlsOptions('sentinel.nodeClientOptions.socket', node);
  checkTlsOptions('sentinel.sentinelClientOptions.socket', own);
  return {
    name,
    seeds: roots.map(({ host, port }) => merged(own, { socket: { host, port } })),
    sentinel: own,
    node,
    addresses: addressMap('sentinel', nodeAddressMap),
    readReplicas: readReplicas || replicaPoolSize > 0,
    scanInterval,
  };
}

/** Parses `host:port`; the host may contain colons. `fallback` replaces an empty host. */
export function hostAndPort(address: string, fallback = 'localhost'): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon) || fallback, port: Number(address.slice(colon + 1)) };
}

/** The host that the options connect to. */
export function hostOf({ socket }: ClientOptions): string {
  return (socket as SocketOptions | undefined)?.host ?? 'localhost';
}

/** The `host:port` that the options connect to. */
export function addressOf(options: ClientOptions): string {
  return `${hostOf(options)}:${(options.socket as SocketOptions | undefined)?.port ?? 6379}`;
}

/** Those that connect to different places: of several to one place, the first. */
export function distinct(all: readonly ClientOptions[]): readonly ClientOptions[] {
  return [...new Map([...all].reverse().map((options) => [addressOf(options), options])).values()];
}

/** The options of the node at `host:port`: those of all nodes, with its host and port. */
export function placedAt(address: string, options: ClientOptions): ClientOptions {
  return merged(options, { socket: hostAndPort(address) });
}

/** An option that is there but `undefined` is left out: it must not undo the `tls: true` below. */
function merged(below: ClientOptions, above: ClientOptions = {}): ClientOptions {
  const socket = { ...below.socket, ...present(above.socket) } as NonNullable<ClientOptions['socket']>;
  return { ...below, ...present(above), socket };
}

function present<T extends object>(options: T | undefined): Partial<T> {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function resolved(where: string, { url, ...options }: ClientOptions): ClientOptions {
  if (url === undefined) return options;
  checkUnshown(`${where}.url`, 'a redis:// or rediss:// URL', /^rediss?:/.test(url));
  const { database: _, ...named } = parseUrl(`${where}.url`, url);
  checkAgreement([tlsWord(`${where}.url`, named), tlsWord(`${where}.socket.tls`, options)]);
  return merged(named, options);
}

function nodes<T>(name: string, list: readonly T[]): readonly T[] {
  check(name, 'a list of one node or more', list, Array.isArray(list) && list.length > 0);
  return list;
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

/** Its errors show no value: it may be a URL with a password. */
function checkOptions(where: string, options: unknown, names: Names): void {
  checkUnshown(where, 'an object', isOptions(options) && isPlainObject(options));
  onlyKnown(where, options as object, names);
}

/** node-redis's options for one node. */
function checkNode(where: string, options: unknown): void {
  checkOptions(where, options, clientOptions);
  checkClientOptions(options as ClientOptions, `${where}.`);
}

/** The same for several nodes, which other options name. */
function checkNodes(where: string, options: unknown): void {
  checkNode(where, options);
  const { url, socket = {} } = options as ClientOptions;
  const { host, port, path } = socket as SocketOptions;
  for (const [name, value] of Object.entries({ url, 'socket.host': host, 'socket.port': port, 'socket.path': path })) {
    checkUnshown(`${where}.${name}`, 'left out, as it is for several nodes', value === undefined);
  }
}

function addressMap(where: string, map: ClusterOptions['nodeAddressMap']): AddressMap {
  if (map === undefined) return (address) => address;
  check(`${where}.nodeAddressMap`, 'an object or a function', map, typeof map === 'function' || isOptions(map));
  return (address) => {
    const mapped = typeof map === 'function' ? map(address) : map[address];
    return mapped ? `${mapped.host}:${mapped.port}` : address;
  };
}
