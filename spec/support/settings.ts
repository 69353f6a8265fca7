import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
import { certificates } from './certificates.js';
import { sharedServer } from './hooks.js';
import { freePort, RedisServer } from './redis.js';
import { SimpleParser } from './simple-parser.js';

// It comes without types.
const RedisParser = require('redis-parser') as ParserClass;

/** One way of setting a store up, which every contract must hold under. */
export interface Setting {
  readonly title: string;
  /** Options for a store of its own; called inside the suite's `before`. */
  options(): Promise<StoreOptions>;
  after?(): Promise<void>;
}

const local = (title: string, more: () => StoreOptions = () => ({})): Setting => ({
  title,
  options: async () => ({ location: sharedServer().location, ...more() }),
});

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

/** Kinds of connection. */
export const connections: readonly Setting[] = [
  local('TCP'),
  { title: 'unix socket', options: async () => ({ location: sharedServer().unixSocket }) },
  onServer('TLS', async () => {
    const { ca, server: own, client } = await certificates();
    const port = await freePort();
    const server = await tlsServer(port, ca.cert, own);
    const socket = { ca: ca.cert, cert: client.cert, key: client.key } as NonNullable<StoreOptions['socket']>;
    return { server, options: { location: `rediss://127.0.0.1:${port}`, socket } };
  }),
  onServer('password and database 1', async () => {
    const server = await RedisServer.start(['--requirepass', 's3cret']);
    return { server, options: { location: server.location, password: 's3cret', database: 1 } };
  }),
  onServer('ACL user in a URL', async () => {
    const server = await RedisServer.start(['--user', 'app', 'on', '>p:w/d', '~*', '&*', '+@all']);
    return { server, options: { location: `redis://app:${encodeURIComponent('p:w/d')}@127.0.0.1:${server.port}/2` } };
  }),
  local('shared connection, named', () => ({ pool: { class: SharedConnection } })),
  local('round-robin pool', () => ({ pool: { class: RoundRobinPool, size: 3 } })),
  local('blocking pool', () => ({ pool: { class: BlockingPool, max: 3 } })),
  local('RESP 2', () => ({ RESP: 2 })),
  local('our own parser', () => ({ parser: 'auto' })),
  local('the parser of redis-parser', () => ({ parser: RedisParser })),
  local('a parser of the user’s own', () => ({ parser: SimpleParser })),
  onServer('our own parser over TLS, with password and database 1', async () => {
    const { ca, server: own, client } = await certificates();
    const port = await freePort();
    const server = await tlsServer(port, ca.cert, own, ['--requirepass', 's3cret']);
    const socket = { ca: ca.cert, cert: client.cert, key: client.key } as NonNullable<StoreOptions['socket']>;
    return { server, options: { location: `rediss://:s3cret@127.0.0.1:${port}/1`, socket, parser: 'auto' } };
  }),
  onServer('our own parser over a unix socket, as an ACL user', async () => {
    const server = await RedisServer.start(['--user', 'app', 'on', '>s3cret', '~*', '&*', '+@all']);
    return { server, options: { location: server.unixSocket, username: 'app', password: 's3cret', name: 'direct', parser: 'auto' } };
  }),
  { title: 'memory:', options: async () => ({ location: 'memory:' }) },
];

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
  local('v8 and gzip', () => ({ serializer: v8Serializer, compression: gzipCompressor })),
  local('msgpack and brotli', () => ({ serializer: msgpackSerializer(msgpackr), compression: brotliCompressor })),
];

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
