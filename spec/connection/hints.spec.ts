import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { createClient } from '@redis/client';
import { expect } from 'chai';
import { AuthenticationError, ConnectionError, OptionError, redisStore, type StoreOptions, TimeoutError } from '../../src/index.js';
import { certificates, otherCertificates } from '../support/certificates.js';
import { compiled } from '../support/compiled.js';
import { openStore, rejection, stopping } from '../support/open.js';
import { Recorder } from '../support/recorder.js';
import { freePort, RedisServer } from '../support/redis.js';
import { tlsServer } from '../support/settings.js';
import { until } from '../support/until.js';

// biome-ignore lint/suspicious/noExplicitAny: options of TLS beside those of a socket
type Any = any;

const kinds: Record<string, StoreOptions> = {
  'node-redis': {},
  'node-redis with RESP 2': { RESP: 2 },
  'a direct connection': { parser: 'auto' },
};

/** A server that treats every connection like this. */
async function serverOf(onSocket: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => onSocket(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stopping({ stop: async () => server.close() });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What `ready` rejects with, or else the first deletion. A handshake of RESP 2 without a password asks the server nothing. */
async function failureOf(options: StoreOptions): Promise<ConnectionError> {
  const store = openStore(options);
  return rejection<ConnectionError>(store.ready().then(() => store.del('k')));
}

for (const [kind, options] of Object.entries(kinds)) {
  describe(`an error of a connection: ${kind}`, () => {
    it('names the address, that the name was being resolved, and the DNS', async () => {
      const error = await failureOf({ location: 'no-such-host.invalid:6379', timeout: 5000, ...options });
      expect(error).to.be.instanceOf(ConnectionError).and.include({ phase: 'resolving', address: 'no-such-host.invalid:6379' });
      expect(error.message).to.match(/^not connected to Redis at no-such-host\.invalid:6379 \(resolving the name\): .*\. .*DNS/);
    });

    it('names the address, that it was connecting, and whether a server runs there', async () => {
      const address = `127.0.0.1:${await freePort()}`;
      const error = await failureOf({ location: `redis://user:S3CRET@${address}`, ...options });
      expect(error).to.include({ phase: 'connecting', address, code: 'ERR_CONNECTION' });
      expect(error.message).to.contain(`at ${address} (connecting)`).and.contain('is Redis running').and.not.contain('S3CRET');
      const path = '/tmp/no-such-redis.sock';
      expect(await failureOf({ location: path, ...options })).to.include({ phase: 'connecting', address: path });
    });

    it('asks for TLS where plain text meets a TLS port', async () => {
      const { ca, server } = await certificates();
      const port = await freePort();
      stopping(await tlsServer(port, ca.cert, server));
      const error = await failureOf({ location: `redis://:S3CRET@127.0.0.1:${port}`, ...options });
      expect(error).to.include({ phase: 'handshake', address: `127.0.0.1:${port}` });
      expect(error.message).to.contain('(handshake)').and.contain('rediss://').and.not.contain('S3CRET');
    });

    it('asks for a port without TLS where TLS meets one, whether the server answers or not', async () => {
      const answering = await serverOf((socket) => socket.on('data', () => socket.end('-ERR Protocol error\r\n')));
      const error = await failureOf({ location: `rediss://:S3CRET@${answering}`, ...options });
      expect(error).to.include({ phase: 'tls', address: answering });
      expect(error.message).to.contain('(TLS handshake)').and.contain('a port without TLS').and.not.contain('S3CRET');
      const closing = await serverOf((socket) => socket.destroy());
      expect((await failureOf({ location: `rediss://${closing}`, ...options })).message).to.contain('a port without TLS');
      // Redis waits for the end of a line in the greeting of TLS.
      const { location } = stopping(await RedisServer.start());
      const late = await failureOf({ location: `rediss://${location}`, timeout: 200, ...options });
      expect(late).to.be.instanceOf(TimeoutError).and.include({ code: 'ERR_TIMEOUT', phase: 'connecting' });
      expect(late.message)
        .to.contain(`no connection to Redis at ${location} (connecting) within 200 ms. `)
        .and.contain('A port without TLS');
    });

    it('says what to do about a certificate', async () => {
      const { ca, server, elsewhere } = await certificates();
      const { server: unknown } = await otherCertificates();
      const expired = await otherCertificates(new Date(Date.now() - 86_400_000));
      for (const [why, certificate, trusted, hint] of [
        ['unknown authority', unknown, ca, '`socket.ca`'],
        ['another name', elsewhere, ca, '`socket.servername`'],
        ['expired', expired.server, expired.ca, 'has expired'],
      ] as const) {
        const { port } = await Recorder.start(() => undefined, certificate);
        const error = await failureOf({ location: `rediss://127.0.0.1:${port}`, socket: { ca: trusted.cert } as Any, ...options });
        expect(error, why).to.include({ phase: 'tls', address: `127.0.0.1:${port}` });
        expect(error.message, why).to.contain(hint);
      }
      const port = await freePort();
      stopping(await tlsServer(port, ca.cert, server));
      const error = await failureOf({ location: `rediss://127.0.0.1:${port}`, socket: { ca: ca.cert } as Any, ...options });
      expect(error.message).to.contain('`socket.cert`').and.contain('`socket.key`');
    });

    it('says that the password is wrong or missing, and how one is written in a URL, never the password', async () => {
      const { location } = stopping(await RedisServer.start(['--requirepass', 'ri#ght']));
      const wrong = await failureOf({ location: `redis://:S3CRET@${location}`, ...options });
      expect(wrong).to.be.instanceOf(AuthenticationError).and.include({ phase: 'handshake', address: location, code: 'ERR_AUTH' });
      expect(wrong.message)
        .to.match(/\(handshake\) answered: WRONGPASS/)
        .and.contain('encodeURIComponent')
        .and.not.contain('S3CRET');
      const without = await failureOf({ location, ...options });
      expect(without).to.be.instanceOf(AuthenticationError).and.include({ address: location });
      expect(without.message).to.contain('NOAUTH').and.contain('set `password`');
      await openStore({ location: `redis://:${encodeURIComponent('ri#ght')}@${location}`, ...options }).ready();
    });

    it('says that a server speaks another protocol, or ends the connection, during the handshake', async () => {
      for (const answer of ['HTTP/1.1 400 Bad Request\r\n\r\n', '']) {
        const location = await serverOf((socket) => socket.on('data', () => socket.end(answer)));
        const store = openStore({ location, ...options });
        const error = await rejection<ConnectionError>(store.ready());
        expect(error).to.include({ phase: 'handshake', address: location });
        expect(error.message).to.contain('Is this a TLS port?');
      }
    });

    it('says that a server accepts connections and never answers', async () => {
      const location = await serverOf((socket) => socket.resume());
      const store = openStore({ location, timeout: 200, ...options });
      const error = await rejection<TimeoutError>(store.ready());
      expect(error).to.be.instanceOf(TimeoutError).and.include({ phase: 'handshake' });
      expect(error.message).to.contain(`no connection to Redis at ${location} (handshake) within 200 ms. `).and.contain('says nothing');
      await until(() => store.errors.some(({ code }) => code === 'ERR_CONNECTION'), 5000);
      const lost = store.errors.find(({ code }) => code === 'ERR_CONNECTION') as ConnectionError;
      expect(lost).to.include({ phase: 'handshake', address: location });
      expect(lost.message).to.contain('(handshake): no handshake within').and.contain('says nothing');
    });

    it('says that it was in use, to calls in flight and to later ones', async () => {
      const server = stopping(await RedisServer.start());
      const store = openStore({ location: server.location, breaker: false, ...options });
      await store.ready();
      server.freeze();
      const inFlight = rejection<ConnectionError>(store.del('k'));
      await new Promise((resolve) => setTimeout(resolve, 50));
      await server.kill();
      const error = await inFlight;
      expect(error).to.include({ phase: 'use', address: server.location });
      expect(error.message).to.contain(`not connected to Redis at ${server.location} (in use): `).and.contain('log of the server');
    });

    it('says that a server was silent while it was in use', async () => {
      const server = stopping(await RedisServer.start());
      const store = openStore({ location: server.location, timeout: 300, breaker: false, ...options });
      await store.ready();
      server.freeze();
      void store.get('k');
      await until(() => store.errors.some(({ code }) => code === 'ERR_CONNECTION'), 10_000);
      const error = store.errors.find(({ code }) => code === 'ERR_CONNECTION') as ConnectionError;
      expect(error).to.include({ phase: 'use', address: server.location });
      expect(error.message).to.contain('(in use): no sign of life').and.contain('frozen');
      server.thaw();
    });

    it('names no address that is not plain', async () => {
      const error = await failureOf({ socket: { path: '/tmp/a b=S3CRET', tls: false }, ...options });
      expect(error).to.be.instanceOf(ConnectionError).and.include({ phase: 'connecting' });
      expect(error).to.not.have.property('address');
      expect(error.message).to.match(/^not connected to Redis \(connecting\): /);
    });
  });
}

describe('an error of a connection', () => {
  it('says what to do about a command that the ACL forbids', async () => {
    const { location } = stopping(await RedisServer.start(['--user', 'reader', 'on', '>pw', '~*', '+get', '+ping', '+hello', '+client']));
    const store = openStore({ location: `redis://reader:pw@${location}` });
    expect((await rejection(store.del('k'))).message)
      .to.contain('NOPERM')
      .and.contain('ACL SETUSER');
  });

  it('names phase, address and hint over a client of the application, too', async () => {
    const locked = stopping(await RedisServer.start(['--requirepass', 'right']));
    const port = await freePort();
    const server = stopping(await RedisServer.start([], port));
    const client = createClient({ url: `redis://:S3CRET@${locked.location}`, socket: { reconnectStrategy: 50 } });
    const store = openStore({ client: client as never, breaker: false });
    expect(await rejection<ConnectionError>(store.ready())).to.include({ phase: 'handshake', address: locked.location });
    client.destroy();
    const plain = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: 50 } });
    const other = openStore({ client: plain as never, breaker: false });
    await other.ready();
    await server.kill();
    await until(() => other.errors.length > 0);
    expect(other.errors[0]).to.include({ phase: 'use', address: `127.0.0.1:${port}` });
    await until(() => other.errors.some((error) => (error as ConnectionError).phase === 'connecting'));
    expect(other.errors.at(-1)?.message).to.contain(`at 127.0.0.1:${port} (connecting)`).and.contain('is Redis running');
    plain.destroy();
  });

  it('names the node of a cluster', async () => {
    const port = await freePort();
    const error = await failureOf({ cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }] } });
    expect(error).to.include({ phase: 'connecting', address: `127.0.0.1:${port}` });
  });

  it('at construction says how a password is written in a URL, and shows none', () => {
    for (const password of ['a/S3CRET', '12/S3CRET', 'S3CRET%zz', 'S3#CRET']) {
      for (const make of [
        () => redisStore(`redis://:${password}@localhost:6379`),
        () => redisStore({ url: `redis://:${password}@localhost:6379` }),
      ]) {
        expect(make, password)
          .to.throw(OptionError, /encodeURIComponent|%23/)
          .with.property('message')
          .that.does.not.contain('S3CRET');
      }
    }
  });

  it('is whole in the warning of an outage: code, address, phase and what to do', async () => {
    const port = await freePort();
    const frozen = stopping(await RedisServer.start());
    frozen.freeze();
    const warned = async (location: string, more = ''): Promise<string> => {
      const script = `
        const { redisStore } = require('${compiled('src/index.ts')}');
        const store = redisStore({ location: '${location}'${more} });
        (async () => {
          for (let i = 0; i < 20; i++) await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((i) => store.get('k' + i)));
          await store.disconnect();
        })();`;
      return (await promisify(execFile)(process.execPath, ['-e', script])).stderr;
    };
    expect(await warned(`redis://user:s3cret@127.0.0.1:${port}`))
      .to.match(
        /Redis at 127\.0\.0\.1:\d+ does not serve: .*\(connecting\): connect ECONNREFUSED.*is Redis running.*\(ERR_CONNECTION, connecting\)/,
      )
      .and.not.contain('s3cret');
    expect(await warned(frozen.location, ', timeout: 100, batch: false')).to.match(
      /does not serve: no connection to Redis at .* \(handshake\) within 100 ms\. .*says nothing.*\(ERR_TIMEOUT, handshake\)/,
    );
  });
});
