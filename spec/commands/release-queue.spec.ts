import { tracingChannel } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type CommandTrace, commandChannel } from '../../src/telemetry/events.js';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { monitor } from '../support/monitor.js';
import { openStore, rejection, stopping, untilReady } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { until } from '../support/until.js';
import { commandStats, rawClient } from '../support/wire.js';

const timeout = 300;
/** What is sent stays on its way, also when the connection is given up. */
const stuck = { kind: 'late', by: 60_000, jitter: 0 } as const;
/** For how long what nobody gives back is held, and far less: what somebody may wait for it. */
const [held, soon] = [3_000, 1_800];

type Store = ReturnType<typeof openStore>;

describe('a claim whose answer was lost', () => {
  const it = sideBySide();
  const proxied = async (server = sharedServer()) => stopping(await FaultProxy.start(server.port, new Random(1)));

  /** How a claim is written at once and never answered, how the same is then asked of another store, and what the server sees of it. */
  const claims: Readonly<
    Record<string, { claim(store: Store, proxy: FaultProxy): Promise<unknown>; again(other: Store): Promise<unknown>; sent: RegExp }>
  > = {
    'a lease': {
      async claim(store, proxy) {
        // The look before it is answered; the network freezes as the claim is about to be written.
        const freeze = (message: unknown): void => {
          const { source, command } = message as CommandTrace;
          if (source !== store.source || command !== 'EVALSHA' || isStuck) return;
          isStuck = true;
          proxy.present(stuck);
        };
        let isStuck = false;
        const { start } = tracingChannel(commandChannel);
        start.subscribe(freeze);
        try {
          expect(await store.getOrSet('k', () => 'own', { lease: held })).to.equal('own');
        } finally {
          start.unsubscribe(freeze);
        }
      },
      again: (other) => other.getOrSet('k', () => 'other', { lease: held }),
      sent: new RegExp(`"EVALSHA"[^\n]*#l:[^\n]* "${held}"`, 'i'),
    },
    'a lock': {
      async claim(store, proxy) {
        proxy.present(stuck);
        expect((await rejection(store.lock('k', { ttl: held }))).code).to.equal('ERR_TIMEOUT');
      },
      again: (other) => other.lock('k', { ttl: held, wait: held }),
      sent: new RegExp(`"EVALSHA"[^\n]* "${held}"`, 'i'),
    },
  };

  for (const [title, { claim, again, sent }] of Object.entries(claims)) {
    it(`${title} is given back where the command arrives over a connection that was given up, soon or after it would have ended`, async () => {
      const late = async (wait: number): Promise<void> => {
        const proxy = await proxied();
        // Nothing more is sent over the connection of the claim: what came after it there would give it back.
        const store = openStore({ location: proxy.location, timeout, breaker: { threshold: 1, cooldown: 2000 } });
        await untilReady(store);
        await cacheOf(store).writer.set('warm', 1);
        // The scripts are known to the server, and go out as hashes.
        await store.withLock('warm', () => {});
        await store.getOrSet('cold', () => undefined);
        await claim(store, proxy);
        // Meanwhile everything else works again, or nothing does.
        if (wait > held) proxy.become({ kind: 'frozen' });
        else await until(async () => (await store.get('warm')) === 1);
        await sleep(wait);

        let heard = '';
        const socket = await monitor(sharedServer().port, (text) => {
          heard += text;
        });
        const ours = (): boolean => heard.split('\r\n').some((line) => line.includes(store.source.prefix) && sent.test(line));
        proxy.become({ kind: 'open' });
        await until(ours);
        socket.destroy();
        const begun = performance.now();
        await again(openStore({ prefix: store.source.prefix }));
        expect(performance.now() - begun).to.be.below(soon);
      };
      await Promise.all([late(500), late(held + 500)]);
    });
  }

  it('costs a few commands where nothing was claimed', async () => {
    // Of its own, for it counts what arrives.
    const server = stopping(await RedisServer.start());
    const proxy = await proxied(server);
    const store = openStore({ location: proxy.location, timeout });
    await untilReady(store);
    await store.withLock('warm', () => {});
    const redis = await rawClient(server);
    const scripts = async () => (await commandStats(redis))['evalsha'] ?? 0;
    proxy.become({ kind: 'swallow', way: 'requests' });
    const codes = (await Promise.all(Array.from({ length: 50 }, (_, i) => rejection(store.lock(`k${i}`, { ttl: held }))))).map(
      ({ code }) => code,
    );
    expect(new Set(codes)).to.deep.equal(new Set(['ERR_TIMEOUT']));
    proxy.become({ kind: 'open' });
    await until(() => cacheOf(store).writer.set('warm', 1));
    const before = await scripts();
    await sleep(held + 1000);
    const sent = (await scripts()) - before;
    redis.destroy();
    expect(sent / 50).to.be.within(1, 12);
  });

  it('costs nothing where there was no connection to claim over', async () => {
    const port = await freePort();
    const store = openStore({ location: `127.0.0.1:${port}`, timeout, breaker: false });
    await rejection(store.ready());
    await until(() => store.status === 'reconnecting');
    for (let i = 0; i < 50; i++) {
      await rejection(store.lock(`k${i}`));
      await store.getOrSet(`k${i}`, () => 'made');
    }
    const server = stopping(await RedisServer.start([], port));
    await until(() => cacheOf(store).writer.set('warm', 1));
    await sleep(1000);
    const redis = await rawClient(server);
    const { evalsha = 0, eval: evaluated = 0 } = await commandStats(redis);
    redis.destroy();
    expect(evalsha + evaluated).to.equal(0);
  });

  it('is given back where the release of a lock was not answered, which rejects', async () => {
    const proxy = await proxied();
    const store = openStore({ location: proxy.location, timeout });
    await untilReady(store);
    const lock = await store.lock('k', { ttl: held });
    proxy.become({ kind: 'swallow', way: 'requests' });
    expect((await rejection(lock.release())).code).to.equal('ERR_TIMEOUT');
    proxy.become({ kind: 'open' });
    const begun = performance.now();
    await openStore({ prefix: store.source.prefix }).lock('k', { wait: held });
    expect(performance.now() - begun).to.be.below(soon);
  });

  it('is given back by a load whose caller gave it up', async () => {
    const store = openStore();
    const gone = new AbortController();
    let end: ((value: string) => void) | undefined;
    const given = store
      .with({ signal: gone.signal })
      .getOrSet('k', () => new Promise<string>((resolve) => (end = resolve)), { lease: held });
    given.catch(() => {});
    await until(() => end);
    gone.abort();
    end?.('late');
    const begun = performance.now();
    await openStore({ prefix: store.source.prefix }).getOrSet('k', () => 'other', { lease: held });
    expect(performance.now() - begun).to.be.below(soon);
  });
});
