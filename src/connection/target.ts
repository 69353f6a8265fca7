import type { EventEmitter } from 'node:events';
import {
  RedisClient,
  type RedisClientOptions,
  type RedisFunctions,
  type RedisModules,
  type RedisScripts,
  type RespVersions,
} from '@redis/client';
import { OptionError, shown } from '../errors.js';
import type { ClusterPlan, SentinelPlan } from './topologies.js';

/** node-redis's `createClient` options, of either protocol version. */
export type ClientOptions = RedisClientOptions<RedisModules, RedisFunctions, RedisScripts, RespVersions>;

/** Where the entries are, normalised once. */
export type Target =
  | { readonly kind: 'memory' }
  | { readonly kind: 'server'; readonly options: ClientOptions }
  | { readonly kind: 'cluster'; readonly plan: ClusterPlan }
  | { readonly kind: 'sentinel'; readonly plan: SentinelPlan }
  | { readonly kind: 'client'; readonly client: GivenClient };

/** A node-redis client, cluster, sentinel or pool that somebody else made, as far as it is needed here. */
export interface GivenClient extends Pick<EventEmitter, 'on' | 'off' | 'getMaxListeners' | 'setMaxListeners'> {
  readonly isOpen: boolean;
  readonly options?: { readonly emitInvalidate?: boolean | undefined } | undefined;
  /** A pool does not say. */
  readonly isReady?: boolean;
  connect(): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: node-redis's own options, of any version and configuration
  withCommandOptions(options: any): any;
  destroy(): void;
  close(): Promise<unknown>;
}

const forms = "'host', 'host:port', 'redis://…', 'rediss://…', 'unix:///path', an absolute path to a unix socket, or 'memory:'";

/** The target that `location` names, as options for node-redis. Options beside it do not contradict it. */
export function parseLocation(location: string): { kind: 'memory' } | { kind: 'server'; options: ClientOptions } {
  if (typeof location !== 'string') throw unclear(location);
  if (location === 'memory:') return { kind: 'memory' };
  if (location.startsWith('/'))
    return {
      kind: 'server',
      options: { socket: { path: location, tls: false } },
    };
  if (/^(rediss?|unix):\/\//.test(location)) return { kind: 'server', options: parseUrl(location) };

  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i.exec(location);
  const port = Number(match?.[3] ?? 6379);
  if (!match || port < 1 || port > 65_535) throw unclear(location);
  return {
    kind: 'server',
    options: { socket: { host: (match[1] ?? match[2]) as string, port } },
  };
}

function parseUrl(url: string): ClientOptions {
  try {
    const { credentialsProvider: _, ...options } = RedisClient.parseURL(url);
    if (options.database !== undefined && !(Number.isInteger(options.database) && options.database >= 0)) throw unclear(url);
    return options;
  } catch {
    throw unclear(url);
  }
}

function unclear(location: unknown): OptionError {
  // A location may hold a password: nothing before the last @ is shown but the scheme.
  const got = typeof location === 'string' ? JSON.stringify(location.replace(/^(.*?:\/+)?.*@/s, '$1***@').slice(0, 80)) : shown(location);
  return new OptionError(`expected \`location\` to be ${forms}, got \`${got}\``);
}
