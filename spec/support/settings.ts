import { createHash } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClientPool, createCluster, createSentinel } from '@redis/client';
import * as msgpackr from 'msgpackr';
import type { ParserClass } from '../../src/index.js';
import {
  BlockingPool,
  brotliCompressor,
  gzipCompressor,
  jsonSerializer,
  keyvSerializer,
  msgpackSerializer,
  RoundRobinPool,
  SharedConnection,
  type StoreOptions,
  v8Serializer,
  zstdCompressor,
} from '../../src/index.js';
import { admin, adminRules, documentedListener, documentedRules, minimalRules, minimalUsers, onlyUser } from './acl.js';
import { certificates } from './certificates.js';
import { RedisCluster } from './cluster.js';
import { restrictedServer } from './hooks.js';
import { freePort, RedisServer } from './redis.js';
import { RedisSentinels } from './sentinel.js';
import { SimpleParser } from './simple-parser.js';
import { isWholeMatrix } from './whole.js';

// It comes without types.
const RedisParser = require('redis-parser') as ParserClass;

/** One way of setting a store up, which every contract must hold under. */
export interface Setting {
  readonly title: string;
  /** What every prefix and namespace has to begin with. Default: nothing. */
  readonly scope?: string;
  /** Whether values are encrypted, so that Redis can neither count with them nor move them. */
  readonly sealed?: boolean;
  /** Options for a store of its own; called inside the suite's `before`. */
  options(): Promise<StoreOptions>;
  after?(): Promise<void>;
}

/**
 * Which faces run their contract on a setting that is not the first: a face is a translation on top of the store, whose own contract
 * runs on every setting. So every face on the first setting, and one of them on all others, show what a face and a setting can do to
 * each other. With `REDIS_TIER_MATRIX=whole` every face runs on every setting.
 */
export function facesBeyondTheFirst<Face>(faces: readonly Face[], one: Face): readonly Face[] {
  return isWholeMatrix ? faces : [one];
}

const local = (title: string, more: () => StoreOptions = () => ({})): Setting => ({
  title,
  options: async () => ({ location: (await restrictedServer()).location, ...more() }),
});

/** Secrets of the specs: 32 bytes each. */
export const secretKey = (name: string): Buffer => createHash('sha256').update(name).digest();
export const secrets = { k1: secretKey('k1'), k2: secretKey('k2').toString('base64'), k3: secretKey('k3').toString('hex') };

function onServer(title: string, start: () => Promise<{ server: RedisServer; options: StoreOptions }>): Setting {
  let started: RedisServer | undefined;
  return {
    title,
    async options() {
      const { server, options } = await start();
      started = server;
      return options;
    },
    async after() {
      await started?.stop();
    },
  };
}

function onNodes<T extends { stop(): Promise<void> }>(
  title: string,
  start: () => Promise<T>,
  options: (nodes: T) => StoreOptions,
): Setting {
  let started: T | undefined;
  return {
    title,
    async options() {
      started = await start();
      return options(started);
    },
    async after() {
      await started?.stop();
    },
  };
}

const credentials = { username: 'app', password: 's3cret' };
/** As a user of its own, where the default one is off. */
const asUser = (...rules: readonly string[]): string[] => [
  ...['--user', 'app', 'on', '>s3cret', ...rules],
  ...['--user', admin.username, ...adminRules, '--masteruser', admin.username, '--masterauth', admin.password],
  ...['--user', 'default', 'off'],
];

/** Servers that speak nothing but TLS, to each other too, and the options of their clients. */
async function behindTls(): Promise<{
  tls: (port: number, args: readonly string[]) => Promise<RedisServer>;
  socket: NonNullable<StoreOptions['socket']>;
}> {
  const { ca, server, client } = await certificates();
  const socket = { tls: true, ca: ca.cert, cert: client.cert, key: client.key } as unknown as NonNullable<StoreOptions['socket']>;
  return { tls: (port, args) => tlsServer(port, ca.cert, server, args), socket };
}

/** A client of the user's own over several nodes, which only the user closes. */
const ownClient = <T extends { stop(): Promise<void> }>(
  title: string,
  start: () => Promise<T>,
  create: (nodes: T) => { destroy(): unknown },
): Setting =>
  onNodes(
    title,
    async () => {
      const nodes = await start();
      const client = create(nodes);
      (client as unknown as EventEmitter).on('error', () => {});
      return {
        client,
        async stop() {
          await client.destroy();
          await nodes.stop();
        },
      };
    },
    ({ client }) => ({ client: client as never }),
  );

/** Several nodes, as plain as they come. */
export const plainTopologies: readonly Setting[] = [
  onNodes(
    'cluster',
    () => RedisCluster.start({ minimal: true }),
    ({ rootNodes }) => ({ cluster: { rootNodes } }),
  ),
  onNodes(
    'sentinel',
    () => RedisSentinels.start({ minimal: true }),
    ({ name, rootNodes }) => ({ sentinel: { name, sentinelRootNodes: rootNodes } }),
  ),
];

/** Several nodes, plain and behind TLS and passwords. */
export const topologies: readonly Setting[] = [
  ...plainTopologies,
  onNodes(
    'cluster over TLS, as an ACL user with the least it needs',
    async () => {
      const { tls, socket } = await behindTls();
      const args = ['--tls-cluster', 'yes', '--tls-replication', 'yes', ...asUser(...minimalRules('cluster'))];
      const nodes = await RedisCluster.start({ tls, args, client: { ...admin, socket } });
      return { ...nodes, rootNodes: nodes.rootNodes, socket, stop: () => nodes.stop() };
    },
    ({ rootNodes, socket }) => ({ cluster: { rootNodes }, ...credentials, socket }),
  ),
  onNodes(
    'cluster with a password that is said of one node',
    () => RedisCluster.start({ args: minimalUsers('cluster', 's3cret'), client: admin }),
    ({ nodes }) => ({ cluster: { rootNodes: [{ url: `redis://:s3cret@127.0.0.1:${nodes[0]?.port}` }] } }),
  ),
  onNodes(
    'cluster with a near cache',
    () => RedisCluster.start({ minimal: true }),
    ({ rootNodes }) => ({ cluster: { rootNodes }, near: {} }),
  ),
  onNodes(
    'sentinel over TLS, as an ACL user with the least it needs, database 1, the sentinels with a password of their own',
    async () => {
      const { tls, socket } = await behindTls();
      const nodes = await RedisSentinels.start({
        tls,
        args: ['--tls-replication', 'yes', ...asUser(...minimalRules('sentinel'))],
        sentinelTls: true,
        sentinelLines: [
          'sentinel auth-user cache admin',
          'sentinel auth-pass cache adm1n',
          'requirepass other',
          'sentinel sentinel-pass other',
          'tls-replication yes',
          `user listener on >l1sten ${documentedListener().join(' ')}`,
        ],
        sentinelClient: { password: 'other', socket },
      });
      return { name: nodes.name, rootNodes: nodes.rootNodes, socket, stop: () => nodes.stop() };
    },
    ({ name, rootNodes, socket }) => ({
      sentinel: {
        name,
        sentinelRootNodes: rootNodes,
        sentinelClientOptions: { username: 'listener', password: 'l1sten', socket: socket as never },
      },
      ...credentials,
      socket,
      database: 1,
    }),
  ),
  ownClient(
    'a cluster of node-redis, as client',
    () => RedisCluster.start({ minimal: true }),
    ({ rootNodes }) => createCluster({ rootNodes }),
  ),
  ownClient(
    'a sentinel of node-redis, as client',
    () => RedisSentinels.start({ minimal: 'servers' }),
    ({ name, rootNodes }) => createSentinel({ name, sentinelRootNodes: rootNodes, reserveClient: true }),
  ),
  ownClient(
    'a client pool of node-redis, as client',
    () => RedisServer.start(minimalUsers()),
    ({ url }) => createClientPool({ url }, { maximum: 5 }),
  ),
];

/** Without those that differ from another by how a client gets in, which the specs of TLS and of passwords show on one server. */
export const usualTopologies = topologies.filter(({ title }) => isWholeMatrix || !/TLS|password/.test(title));

export const isCluster = ({ title }: Setting): boolean => /cluster/.test(title);

/** Kinds of connection. */
export const connections: readonly Setting[] = [
  local('TCP'),
  { title: 'unix socket', options: async () => ({ location: (await restrictedServer()).unixSocket }) },
  onServer('TLS', async () => {
    const { ca, server: own, client } = await certificates();
    const port = await freePort();
    const server = await tlsServer(port, ca.cert, own, minimalUsers());
    const socket = { ca: ca.cert, cert: client.cert, key: client.key } as NonNullable<StoreOptions['socket']>;
    return { server, options: { location: `rediss://127.0.0.1:${port}`, socket } };
  }),
  onServer('password and database 1', async () => {
    const server = await RedisServer.start(minimalUsers('server', 's3cret'));
    return { server, options: { location: server.location, password: 's3cret', database: 1 } };
  }),
  onServer('ACL user in a URL', async () => {
    const server = await RedisServer.start(onlyUser('app', 'p:w/d', minimalRules()));
    return { server, options: { location: `redis://app:${encodeURIComponent('p:w/d')}@127.0.0.1:${server.port}/2` } };
  }),
  local('shared connection, named', () => ({ pool: { class: SharedConnection } })),
  local('round-robin pool', () => ({ pool: { class: RoundRobinPool, size: 3 } })),
  local('blocking pool', () => ({ pool: { class: BlockingPool, max: 3 } })),
  local('near cache', () => ({ near: {} })),
  local('near cache that shares frozen values, beside a pool', () => ({
    near: { freeze: true },
    pool: { class: RoundRobinPool, size: 2 },
  })),
  local('RESP 2', () => ({ RESP: 2 })),
  local('our own parser', () => ({ parser: 'auto' })),
  local('the parser of redis-parser', () => ({ parser: RedisParser })),
  local('a parser of the user’s own', () => ({ parser: SimpleParser })),
  onServer('our own parser over TLS, with password and database 1', async () => {
    const { ca, server: own, client } = await certificates();
    const port = await freePort();
    const server = await tlsServer(port, ca.cert, own, minimalUsers('server', 's3cret'));
    const socket = { ca: ca.cert, cert: client.cert, key: client.key } as NonNullable<StoreOptions['socket']>;
    return { server, options: { location: `rediss://:s3cret@127.0.0.1:${port}/1`, socket, parser: 'auto' } };
  }),
  onServer('our own parser over a unix socket, as an ACL user', async () => {
    const server = await RedisServer.start(onlyUser('app', 's3cret', minimalRules()));
    return { server, options: { location: server.unixSocket, username: 'app', password: 's3cret', name: 'direct', parser: 'auto' } };
  }),
  ...(['node-redis', 'our own parser'] as const).map((client) => ({
    ...onServer(`the smallest ACL user, by ${client}`, async () => {
      const server = await RedisServer.start(onlyUser('app', 's3cret', ['~scope-*', ...documentedRules().commands]));
      const parser = client === 'node-redis' ? {} : { parser: 'auto' as const };
      return { server, options: { location: server.location, username: 'app', password: 's3cret', ...parser } };
    }),
    scope: 'scope-',
  })),
  local('tags', () => ({ tags: true })),
  { title: 'memory:', options: async () => ({ location: 'memory:' }) },
];

/** Those that only put others of these together. `npm run test:all` runs them. */
const put = /^our own parser over|^the smallest ACL user, by node-redis|^v8 and gzip|^msgpack and brotli/;

/** Connections that do more than carry bytes, where one face shows what there is to show. */
const telling = ['TCP', 'shared connection, named', 'near cache', 'RESP 2', 'our own parser', 'tags', 'memory:'];

/** Ways of writing values. `binary`: more than JSON survives. */
export const codecs: readonly (Setting & { readonly binary?: boolean })[] = [
  local('keyv serializer', () => ({ serializer: keyvSerializer })),
  local('json serializer', () => ({ serializer: jsonSerializer })),
  local('v8 serializer', () => ({ serializer: v8Serializer })),
  local('msgpack serializer', () => ({ serializer: msgpackSerializer(msgpackr) })),
  local('custom asynchronous serializer', () => ({
    serializer: { name: 'slow', stringify: async (value) => JSON.stringify(value), parse: async (text) => JSON.parse(text) },
  })),
  local('gzip', () => ({ compression: { algorithm: 'gzip', threshold: 0 } })),
  local('brotli', () => ({ compression: { algorithm: 'brotli', threshold: 0 } })),
  ...(zstdCompressor.supported ? [local('zstd', () => ({ compression: { algorithm: 'zstd' as const, threshold: 0 } }))] : []),
  local('custom compression', () => ({
    compression: { compress: (bytes) => Buffer.from(bytes).reverse(), decompress: (bytes) => Buffer.from(bytes).reverse(), threshold: 10 },
  })),
  { ...local('encryption', () => ({ encryption: { keys: [{ id: 'k1', key: secrets.k1 }] } })), sealed: true },
  {
    ...local('v8, gzip and encryption', () => ({
      serializer: v8Serializer,
      compression: { algorithm: 'gzip', threshold: 0 },
      encryption: { keys: [{ id: 'k1', key: secrets.k1 }] },
    })),
    sealed: true,
  },
  local('v8 and gzip', () => ({ serializer: v8Serializer, compression: gzipCompressor })),
  local('msgpack and brotli', () => ({ serializer: msgpackSerializer(msgpackr), compression: brotliCompressor })),
];

/** What the store's own contract runs on. */
export const usual: readonly Setting[] = [...connections, ...codecs].filter(({ title }) => isWholeMatrix || !put.test(title));

/**
 * What faces run their contract on that only translate: the store's own contract runs on more by `npm test`. Theirs runs on all with
 * `REDIS_TIER_MATRIX=whole`.
 */
export const faced: readonly Setting[] = usual.filter(({ title, sealed }) => isWholeMatrix || sealed || telling.includes(title));

/** A server that speaks nothing but TLS and asks for a client certificate. */
export async function tlsServer(
  port: number,
  ca: string,
  { cert, key }: { cert: string; key: string },
  more: readonly string[] = [],
): Promise<RedisServer> {
  const folder = (await import('node:fs')).mkdtempSync(join((await import('node:os')).tmpdir(), 'redis-tier-tls-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const tls = ['--tls-cert-file', file('cert.pem', cert), '--tls-key-file', file('key.pem', key), '--tls-ca-cert-file', file('ca.pem', ca)];
  return RedisServer.start(['--port', '0', '--tls-port', String(port), ...tls, '--tls-auth-clients', 'yes', ...more]);
}
