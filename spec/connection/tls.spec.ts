import { expect } from 'chai';
import { BlockingPool, OptionError, RoundRobinPool, type StoreOptions } from '../../src/index.js';
import { certificates, otherCertificates } from '../support/certificates.js';
import { openStore, rejection } from '../support/open.js';
import { nodeOf, Recorder, sentinelFor } from '../support/recorder.js';
import { until } from '../support/until.js';

const password = 'hunter2-the-password';

// biome-ignore lint/suspicious/noExplicitAny: wrong options are the point
type Any = any;

/** A class whose instances have TLS on, but not as properties of their own. */
class TlsByGetter {
  readonly servername = 'localhost';
  get tls(): boolean {
    return true;
  }
}

/** Ways in which TLS is asked for, of one server at this port. Right ones and wrong ones. */
const ofOne: Record<string, (port: number) => Any> = {
  'rediss://': (port) => ({ location: `rediss://:${password}@127.0.0.1:${port}` }),
  'url: rediss://': (port) => ({ url: `rediss://:${password}@127.0.0.1:${port}` }),
  'rediss://, tls': (port) => ({ location: `rediss://127.0.0.1:${port}`, password, socket: { tls: true } }),
  'rediss://, tls: undefined': (port) => ({ location: `rediss://127.0.0.1:${port}`, password, socket: { tls: undefined } }),
  'rediss://, tls: false': (port) => ({ location: `rediss://127.0.0.1:${port}`, password, socket: { tls: false } }),
  'rediss://, its options': (port) => ({ location: `rediss://127.0.0.1:${port}`, password, socket: { rejectUnauthorized: true } }),
  'redis://, tls': (port) => ({ location: `redis://127.0.0.1:${port}`, password, socket: { tls: true } }),
  'url: redis://, tls': (port) => ({ url: `redis://:${password}@127.0.0.1:${port}`, socket: { tls: true } }),
  'redis://?tls=true': (port) => ({ location: `redis://:${password}@127.0.0.1:${port}?tls=true` }),
  'redis:///0?ssl=true': (port) => ({ location: `redis://:${password}@127.0.0.1:${port}/0?ssl=true` }),
  'url: redis://?ssl_cert_reqs': (port) => ({ url: `redis://:${password}@127.0.0.1:${port}?ssl_cert_reqs=required` }),
  'redis://#tls': (port) => ({ location: `redis://:${password}@127.0.0.1:${port}#tls` }),
  'REDISS://': (port) => ({ location: `REDISS://:${password}@127.0.0.1:${port}` }),
  'redis+tls://': (port) => ({ location: `redis+tls://:${password}@127.0.0.1:${port}` }),
  'ssl=True': (port) => ({ location: `127.0.0.1:${port},password=${password},ssl=True,abortConnect=False` }),
  'ssl=yes': (port) => ({ location: `127.0.0.1:${port},password=${password},ssl=yes` }),
  'sslProtocols=tls12': (port) => ({ location: `127.0.0.1:${port},password=${password},sslProtocols=tls12` }),
  'no ssl': (port) => ({ location: `127.0.0.1:${port},password=${password}` }),
  'ssl twice': (port) => ({ location: `127.0.0.1:${port},password=${password},ssl=False,ssl=True` }),
  'ssl=True, tls: false': (port) => ({ location: `127.0.0.1:${port},password=${password},ssl=True`, socket: { tls: false } }),
  'top-level tls': (port) => ({ location: `127.0.0.1:${port}`, password, tls: true }),
  'top-level tls: {}': (port) => ({ location: `127.0.0.1:${port}`, password, tls: {} }),
  'top-level ssl': (port) => ({ location: `127.0.0.1:${port}`, password, ssl: true }),
  'socket that inherits': (port) => ({ location: `127.0.0.1:${port}`, password, socket: Object.create({ tls: true }) }),
  'socket of a class': (port) => ({ location: `127.0.0.1:${port}`, password, socket: new TlsByGetter() }),
  'server by socket': (port) => ({ password, socket: { host: '127.0.0.1', port, tls: true } }),
  'server by socket, no tls': (port) => ({ password, socket: { host: '127.0.0.1', port, servername: 'localhost' } }),
};
const sockets: Record<string, Any> = {
  'tls: true': { tls: true },
  "tls: 'true'": { tls: 'true' },
  'tls: {}': { tls: { ca: 'x' } },
  'tls: 1': { tls: 1 },
  'tls: null': { tls: null },
  'tls: false, ca': { tls: false, ca: 'x' },
  TLS: { TLS: true },
  tsl: { tsl: true },
  ssl: { ssl: true },
  secure: { secure: true },
  useTls: { useTls: true },
  tlsOptions: { tlsOptions: { ca: 'x' } },
  encrypted: { encrypted: true },
  ca: { ca: 'x' },
  'cert and key': { cert: 'x', key: 'x' },
  pfx: { pfx: Buffer.from('x') },
  servername: { servername: 'localhost' },
  rejectUnauthorized: { rejectUnauthorized: true },
  'rejectUnauthorized: false': { rejectUnauthorized: false },
  checkServerIdentity: { checkServerIdentity: () => undefined },
  ciphers: { ciphers: 'HIGH' },
  minVersion: { minVersion: 'TLSv1.3' },
  secureContext: { secureContext: {} },
  ALPNProtocols: { ALPNProtocols: ['x'] },
};
for (const [name, socket] of Object.entries(sockets)) {
  ofOne[`socket ${name}`] = (port) => ({ location: `127.0.0.1:${port}`, password, socket });
}

const connections: Record<string, StoreOptions> = {
  'node-redis': {},
  'our own parser': { parser: 'auto' },
  'a round-robin pool': { pool: { class: RoundRobinPool, size: 2 } },
  'a blocking pool': { pool: { class: BlockingPool, max: 2 } },
  'a near cache': { near: {} },
};

const ofCluster: Record<string, (port: number) => Any> = {
  'root url rediss://': (port) => ({ cluster: { rootNodes: [{ url: `rediss://:${password}@127.0.0.1:${port}` }] } }),
  'root url redis://, defaults': (port) => ({
    cluster: { rootNodes: [{ url: `redis://127.0.0.1:${port}` }], defaults: { password, socket: { tls: true } } },
  }),
  'root url redis://, beside': (port) => ({
    cluster: { rootNodes: [{ url: `redis://:${password}@127.0.0.1:${port}` }] },
    socket: { tls: true },
  }),
  'root url redis://, its socket': (port) => ({
    cluster: { rootNodes: [{ url: `redis://:${password}@127.0.0.1:${port}`, socket: { tls: true } }] },
  }),
  'root url rediss://, its socket without': (port) => ({
    cluster: { rootNodes: [{ url: `rediss://:${password}@127.0.0.1:${port}`, socket: { tls: false } }] },
  }),
  'root url redis://?tls=true': (port) => ({ cluster: { rootNodes: [{ url: `redis://:${password}@127.0.0.1:${port}?tls=true` }] } }),
  'second root node': (port) => ({
    password,
    cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }, { url: `rediss://127.0.0.1:${port}` }] },
  }),
  'root nodes that disagree': (port) => ({
    password,
    cluster: { rootNodes: [{ url: `redis://127.0.0.1:${port}` }, { url: `rediss://127.0.0.1:${port}` }] },
  }),
  'root socket, defaults': (port) => ({
    cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }], defaults: { password, socket: { tls: true } } },
  }),
  'defaults: undefined': (port) => ({
    socket: { tls: true },
    cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }], defaults: { password, socket: { tls: undefined } } },
  }),
  'root: undefined': (port) => ({
    socket: { tls: true },
    cluster: { rootNodes: [{ password, socket: { host: '127.0.0.1', port, tls: undefined } }] },
  }),
  'beside and defaults disagree': (port) => ({
    socket: { tls: true },
    cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }], defaults: { password, socket: { tls: false } } },
  }),
  'defaults.url': (port) => ({
    cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }], defaults: { password, url: `rediss://127.0.0.1:${port}` } },
  }),
  'defaults.tls': (port) => ({ cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }], defaults: { password, tls: true } } }),
  'root tls': (port) => ({ cluster: { rootNodes: [{ password, tls: true, socket: { host: '127.0.0.1', port } }] } }),
  'defaults of a class': (port) => ({
    password,
    cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }], defaults: Object.create({ socket: { tls: true } }) },
  }),
  'ca in defaults': (port) => ({
    cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }], defaults: { password, socket: { ca: 'x' } } },
  }),
  'ca of a root node': (port) => ({ password, cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port, ca: 'x' } }] } }),
};

const ofSentinel: Record<string, (port: number) => Any> = {
  'said of the nodes alone': (port) => ({
    password,
    socket: { tls: true },
    sentinel: { sentinelRootNodes: [{ host: '127.0.0.1', port }] },
  }),
  'said of the nodes, their own': (port) => ({
    sentinel: { sentinelRootNodes: [{ host: '127.0.0.1', port }], nodeClientOptions: { password, socket: { tls: true } } },
  }),
  'said of the sentinels alone': (port) => ({
    password,
    sentinel: { sentinelRootNodes: [{ host: '127.0.0.1', port }], sentinelClientOptions: { socket: { tls: true } } },
  }),
  'said of both': (port) => ({
    password,
    socket: { tls: true },
    sentinel: { sentinelRootNodes: [{ host: '127.0.0.1', port }], sentinelClientOptions: { password, socket: { tls: true } } },
  }),
  'ca for the sentinels': (port) => ({
    sentinel: { sentinelRootNodes: [{ host: '127.0.0.1', port }], sentinelClientOptions: { password, socket: { ca: 'x' } } },
  }),
  'url for the sentinels': (port) => ({
    sentinel: { sentinelRootNodes: [{ host: '127.0.0.1', port }], sentinelClientOptions: { password, url: `rediss://127.0.0.1:${port}` } },
  }),
  'a URL as host': (port) => ({ sentinel: { sentinelRootNodes: [{ host: `rediss://:${password}@127.0.0.1`, port }] } }),
  'tls of a root node': (port) => ({ sentinel: { sentinelRootNodes: [{ host: '127.0.0.1', port, tls: true }] } }),
  'beside and nodes disagree': (port) => ({
    password,
    socket: { tls: true },
    sentinel: {
      sentinelRootNodes: [{ host: '127.0.0.1', port }],
      nodeClientOptions: { socket: { tls: false } },
      sentinelClientOptions: { socket: { tls: false } },
    },
  }),
};

/** What a server received of a store with these options, and whether they were refused. */
async function sentWith(make: (port: number) => Any, more: StoreOptions = {}): Promise<{ bytes: Buffer; refused: boolean }> {
  const recorder = await Recorder.start();
  try {
    const options = make(recorder.port);
    const sentinel = options.sentinel && { sentinel: { name: 'm', ...options.sentinel } };
    const store = openStore({ timeout: 500, ...options, ...sentinel, ...more });
    const error = await rejection(store.ready());
    await until(() => recorder.connections > 0 || /PEM|context|secure/i.test(error.message));
    await store.disconnect();
    return { bytes: recorder.bytes, refused: false };
  } catch (error) {
    expect(error).to.be.instanceOf(OptionError);
    expect((error as Error).message).not.to.include(password);
    return { bytes: recorder.bytes, refused: true };
  }
}

async function neverInClear(ways: Record<string, (port: number) => Any>, more: StoreOptions = {}): Promise<void> {
  const outcomes = await Promise.all(Object.entries(ways).map(async ([name, make]) => ({ name, ...(await sentWith(make, more)) })));
  const inClear = outcomes.filter(({ bytes, refused }) => (refused ? bytes.length > 0 : bytes.length > 0 && bytes[0] !== 0x16));
  expect(inClear.map(({ name, bytes }) => `${name}: ${bytes.toString('latin1')}`)).to.deep.equal([]);
  expect(outcomes.some(({ bytes }) => bytes[0] === 0x16)).to.equal(true);
  expect(outcomes.some(({ refused }) => refused)).to.equal(true);
}

describe('TLS', () => {
  for (const [kind, more] of Object.entries(connections)) {
    it(`is used or refused where it is asked for, by ${kind}: nothing leaves in clear text`, () => neverInClear(ofOne, more));
  }
  it('is used or refused for a cluster', () => neverInClear(ofCluster));
  it('is used or refused for sentinels', () => neverInClear(ofSentinel));

  it('is not used where it is not asked for', async () => {
    for (const make of [
      (port: number) => ({ location: `redis://:${password}@127.0.0.1:${port}` }),
      (port: number) => ({ location: `127.0.0.1:${port}`, password, socket: { tls: false } }),
      (port: number) => ({ location: `127.0.0.1:${port},password=${password},ssl=False` }),
      (port: number) => ({ password, cluster: { rootNodes: [{ socket: { host: '127.0.0.1', port } }] } }),
    ]) {
      expect((await sentWith(make)).bytes.toString('latin1')).to.include(password);
    }
  });

  it('of the nodes keeps their password from sentinels that are asked in clear text', async () => {
    const node = await Recorder.start();
    const sentinels = await Recorder.start(sentinelFor(() => node.port));
    const store = openStore({
      timeout: 1000,
      password,
      socket: { tls: true },
      sentinel: {
        name: 'm',
        sentinelRootNodes: [{ host: '127.0.0.1', port: sentinels.port }],
        sentinelClientOptions: { socket: { tls: false } },
      },
    });
    await rejection(store.ready());
    await until(() => node.bytes.length > 0);
    await store.disconnect();
    expect(node.bytes[0]).to.equal(0x16);
    expect(sentinels.bytes.toString('latin1')).to.include('SENTINEL').and.not.include(password);
  });

  it('of a seed is that of the nodes it names', async () => {
    const { ca, server } = await certificates();
    const node = await Recorder.start();
    const seed = await Recorder.start(
      nodeOf(() => node.port),
      server,
    );
    for (const defaults of [undefined, { socket: { tls: undefined } }]) {
      const before = node.connections;
      const store = openStore({
        timeout: 1000,
        socket: { ca: ca.cert } as Any,
        cluster: { rootNodes: [{ url: `rediss://:${password}@127.0.0.1:${seed.port}` }], defaults: defaults as Any },
      });
      store.get('k').catch(() => {});
      await until(() => node.connections > before && node.bytes.length > 0);
      await store.disconnect();
    }
    expect(node.bytes[0]).to.equal(0x16);
    expect(node.bytes.includes(password)).to.equal(false);
  });

  it('verifies the authority and the name, everywhere: no password goes to a server that fails either', async () => {
    const { ca, server, elsewhere } = await certificates();
    const { server: unknown } = await otherCertificates();
    const socket = { ca: ca.cert } as Any;
    const places: Record<string, (at: number) => Promise<StoreOptions>> = {
      server: async (port) => ({ location: `rediss://:${password}@127.0.0.1:${port}`, socket }),
      'server, by our own parser': async (port) => ({ location: `rediss://:${password}@127.0.0.1:${port}`, socket, parser: 'auto' }),
      'root node': async (port) => ({ socket, cluster: { rootNodes: [{ url: `rediss://:${password}@127.0.0.1:${port}` }] } }),
      'node that a root node names': async (port) => {
        const seed = await Recorder.start(
          nodeOf(() => port),
          server,
        );
        return { socket, cluster: { rootNodes: [{ url: `rediss://:${password}@127.0.0.1:${seed.port}` }] } };
      },
      sentinel: async (port) => ({
        sentinel: {
          name: 'm',
          sentinelRootNodes: [{ host: '127.0.0.1', port }],
          nodeClientOptions: { socket: { tls: true } },
          sentinelClientOptions: { password, socket: { tls: true, ca: ca.cert } as Any },
        },
      }),
      'node that a sentinel names': async (port) => {
        const sentinel = await Recorder.start(
          sentinelFor(() => port),
          server,
        );
        return {
          password,
          socket: { tls: true, ca: ca.cert } as Any,
          sentinel: {
            name: 'm',
            sentinelRootNodes: [{ host: '127.0.0.1', port: sentinel.port }],
            sentinelClientOptions: { socket: { tls: true, ca: ca.cert } as Any },
          },
        };
      },
    };
    for (const [place, optionsAt] of Object.entries(places)) {
      for (const [why, certificate, isRight] of [
        ['authority', unknown, false],
        ['name', elsewhere, false],
        ['nothing', server, true],
      ] as const) {
        const recorder = await Recorder.start(() => undefined, certificate);
        const store = openStore({ timeout: 700, ...(await optionsAt(recorder.port)) });
        await store.ready().catch(() => {});
        const error = await rejection(store.add('k', 1));
        const title = `${place}, wrong: ${why}: ${error.message}`;
        // The right one is sent the password, which proves that the wrong ones were asked.
        if (isRight) await until(() => recorder.bytes.includes(password));
        else expect(recorder.bytes.length, title).to.equal(0);
        expect(error.code, title).to.match(/^ERR_(CONNECTION|TIMEOUT|BREAKER_OPEN)$/);
        await store.disconnect();
        await recorder.stop();
      }
    }
  });
});
