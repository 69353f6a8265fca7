import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer, type Server } from 'node:tls';
import { expect } from 'chai';
import { it as alone } from 'mocha';
import type { StoreOptions } from '../../src/index.js';
import { type Certificate, certificates } from '../support/certificates.js';
import { Random } from '../support/chaos/random.js';
import { NarrowProxy } from '../support/narrow-proxy.js';
import { openStore, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { until } from '../support/until.js';

interface Kind {
  readonly options?: StoreOptions;
  readonly tls?: boolean;
  /** node-redis's socket is not known over TLS: what was handed to it cannot be withdrawn. */
  readonly withdraws: boolean;
}

const kinds: Record<string, Kind> = {
  'node-redis': { withdraws: true },
  'our own parser': { options: { parser: 'auto' }, withdraws: true },
  'node-redis over TLS': { tls: true, withdraws: false },
  'our own parser over TLS': { options: { parser: 'auto' }, tls: true, withdraws: true },
};
/** More runs by `REDIS_TIER_LATE_WRITES`. */
const runs = Number(process.env['REDIS_TIER_LATE_WRITES'] ?? 3);
const random = new Random(Math.random() * 2 ** 32);
const bytes = (size: number): Buffer => Buffer.alloc(size, 1);

/** Ends TLS in front of the server. */
async function tlsServer(port: number, { key, cert }: Certificate): Promise<Server> {
  const server = createServer({ key, cert }, (near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      socket
        .on('error', () => {})
        .on('close', () => {
          near.destroy();
          far.destroy();
        });
    }
    near.pipe(far);
    far.pipe(near);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

for (const [kind, { options, tls, withdraws }] of Object.entries(kinds)) {
  describe(`a network that takes less than is written: ${kind}`, () => {
    let server: RedisServer;
    let terminator: Server | undefined;
    const sockets: Socket[] = [];
    const it = sideBySide();
    const onSocket = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket);
    before(async () => {
      subscribe('net.client.socket', onSocket);
      server = await RedisServer.start();
      if (tls) terminator = await tlsServer(server.port, (await certificates()).server);
    });
    after(async () => {
      unsubscribe('net.client.socket', onSocket);
      terminator?.close();
      await server.stop();
    });

    async function through(rate: number, more: StoreOptions = {}) {
      const proxy = stopping(await NarrowProxy.start(terminator ? (terminator.address() as AddressInfo).port : server.port, rate));
      const prefix = Math.random().toString(36);
      const socket = tls ? { socket: { tls: true as const, ca: (await certificates()).ca.cert } } : {};
      const store = openStore({ url: `redis${tls ? 's' : ''}://${proxy.location}`, ...socket, prefix, ...options, ...more });
      const own = openStore({ location: server.location, prefix });
      await Promise.all([store.set('first', 1), own.set('first', 1)]);
      return { proxy, store, own };
    }

    if (withdraws)
      it('sends nothing later for calls that have failed', async () => {
        const { proxy, store, own } = await through(Number.POSITIVE_INFINITY, { timeout: 500, onFailure: 'throw' });
        proxy.rate = 0;
        const writes = Array.from({ length: 400 }, (_, i) => store.set(`k${i}`, bytes(100_000)));
        const all = await Promise.allSettled([...writes, store.set('x', 'old')]);
        expect(all.at(-1)?.status).to.equal('rejected');
        await own.set('x', 'new');
        proxy.rate = Number.POSITIVE_INFINITY;
        await until(() =>
          store.set('later', 1).then(
            () => true,
            () => false,
          ),
        );
        await sleep(500);
        expect(await own.get('x')).to.equal('new');
        expect(await own.has('k399')).to.equal(false);
      });

    if (withdraws)
      alone(`never undoes a later write of another store, nor of its own: ${runs} random runs`, async () => {
        const { proxy, store, own } = await through(Number.POSITIVE_INFINITY, { timeout: 200, onFailure: 'throw' });
        const works = (): Promise<boolean> =>
          store.set('later', 1).then(
            () => true,
            () => false,
          );
        for (let run = 0; run < runs; run++) {
          proxy.rate = random.next() < 0.7 ? 0 : random.integer(100_000, 2_000_000);
          // More than the kernel takes, so that the last write is still in this process when it fails.
          for (let left = 30_000_000; left > 0; ) {
            const size = random.integer(1000, 400_000);
            left -= size;
            store.set(`k${random.integer(0, 50)}`, bytes(size)).catch(() => {});
          }
          const failed = await Promise.allSettled([store.set('x', `old ${run}`), store.set('y', `old ${run}`)]);
          expect(failed.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
          await sleep(random.next() < 0.2 ? 1500 : random.integer(0, 100));
          await own.set('x', `new ${run}`);
          proxy.rate = Number.POSITIVE_INFINITY;
          await until(works);
          await until(() =>
            store.set('y', `new ${run}`).then(
              () => true,
              () => false,
            ),
          );
          await sleep(random.integer(0, 100));
          expect([await own.get('x'), await own.get('y')]).to.deep.equal([`new ${run}`, `new ${run}`]);
        }
      });

    if (withdraws)
      it('gives up the connection that holds the only part of a value whose call has failed', async () => {
        const { proxy, store, own } = await through(Number.POSITIVE_INFINITY, { timeout: 500, onFailure: 'throw' });
        proxy.rate = 0;
        expect(await store.set('large', bytes(30_000_000)).catch(({ code }) => code)).to.equal('ERR_TIMEOUT');
        proxy.rate = Number.POSITIVE_INFINITY;
        await until(() =>
          store.set('later', 1).then(
            () => true,
            () => false,
          ),
        );
        expect(proxy.passed).to.be.below(20_000_000);
        expect(await own.has('large')).to.equal(false);
      });

    it('fails at once what would wait behind `maxPendingBytes`', async () => {
      const { proxy, store } = await through(Number.POSITIVE_INFINITY, { maxPendingBytes: 1_000_000 });
      proxy.rate = 0;
      for (let i = 0; i < 400; i++) void store.set(`k${i}`, bytes(100_000));
      await sleep(20);
      const refused = store.errors.filter(({ code }) => code === 'ERR_BACKPRESSURE');
      expect(refused.length).to.be.above(100);
      expect(refused[0]?.message).to.equal(
        'Redis takes less than is written: 1000000 bytes wait already, the limit that `maxPendingBytes` sets',
      );
      expect(store.breaker).to.equal('closed');
    });

    it('uses a narrow network in full, holds little with the socket, opens the circuit breaker, and works again soon', async () => {
      const { proxy, store } = await through(Number.POSITIVE_INFINITY, { onFailure: 'throw' });
      const { client } = store;
      proxy.rate = 1_000_000;
      let most = 0;
      let stored = 0;
      const open = new Promise<void>((resolve) => store.on('breaker', (state) => state === 'open' && resolve()));
      const end = performance.now() + 4000;
      for (let i = 0; performance.now() < end; i++) {
        for (let j = 0; j < 6; j++)
          void store.set(`k${i}.${j}`, bytes(20_000)).then(
            () => stored++,
            () => {},
          );
        await sleep(20);
        most = Math.max(most, ...sockets.map(({ remotePort, writableLength }) => (remotePort === proxy.port ? writableLength : 0)));
      }
      await open;
      const { offered } = proxy;
      expect(most).to.be.below(600_000);
      // Of 200 values in all that the network takes in this time.
      expect(stored * 20_000).to.be.above(0.4 * offered);
      expect(store.client).to.equal(client);
      proxy.rate = Number.POSITIVE_INFINITY;
      await until(async () => (await store.get('first').catch(() => 0)) === 1);
    });

    it('answers small calls again soon after one burst', async () => {
      const { proxy, store } = await through(Number.POSITIVE_INFINITY);
      proxy.rate = 1_000_000;
      await Promise.all(Array.from({ length: 300 }, (_, i) => store.set(`k${i}`, bytes(100_000))));
      await until(async () => (await store.get('first')) === 1, 12_000);
    });

    it('stores a burst that a good network takes', async () => {
      const { store } = await through(Number.POSITIVE_INFINITY, { timeout: 10_000 });
      await store.mset(Array.from({ length: 300 }, (_, i) => [`k${i}`, bytes(100_000)] as const));
      await Promise.all(Array.from({ length: 300 }, (_, i) => store.set(`l${i}`, bytes(20_000))));
      expect(store.errors).to.deep.equal([]);
      expect(await store.mget('k0', 'k299', 'l299')).to.deep.equal([bytes(100_000), bytes(100_000), bytes(20_000)]);
    });

    it('stores what takes long over a narrow network, and keeps the connection', async () => {
      const { proxy, store } = await through(Number.POSITIVE_INFINITY, { timeout: 10_000 });
      const { client } = store;
      proxy.rate = 4_000_000;
      await Promise.all(Array.from({ length: 80 }, (_, i) => store.set(`k${i}`, bytes(100_000))));
      await store.set('large', bytes(3_000_000));
      expect(store.errors).to.deep.equal([]);
      expect([await store.has('k79'), await store.has('large'), store.client === client]).to.deep.equal([true, true, true]);
    });
  });
}
