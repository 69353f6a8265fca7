import { createRequire } from 'node:module';
import { expect } from 'chai';
import { Breaker } from '../../src/connection/breaker.js';
import type { Status } from '../../src/connection/connection.js';
import {
  CommandError,
  ConnectionError,
  PoolTimeoutError,
  redisStore,
  type StoreOptions,
  TimeoutError,
  UnavailableError,
} from '../../src/index.js';
import { createKeyv } from '../../src/keyv.js';
import type { BreakerState } from '../../src/telemetry/events.js';
import { densestMinute, simulateBreaker } from '../support/breaker-simulation.js';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { cacheOf } from '../support/internals.js';
import { closing, openStore, rejection } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { amount } from '../support/whole.js';
import { commandStats, rawClient } from '../support/wire.js';

const timedOut = new TimeoutError(100);

/** A breaker whose clock and connection are set by hand. */
function byHand(options = {}) {
  const state = { now: 0, status: 'ready' as Status, changes: [] as BreakerState[] };
  const breaker = new Breaker(
    { threshold: 3, cooldown: 100, maxCooldown: 300, ...options },
    1000,
    () => state.status,
    (changed) => state.changes.push(changed),
    () => state.now,
  );
  const fail = (times: number, error: Error = timedOut) => {
    for (let i = 0; i < times; i++) breaker.failed(error, 0, breaker.state === 'half-open');
  };
  /** Trials that are answered, each after this time. @returns how many it took to close */
  const recover = (after = 0) => {
    for (let trials = 1; trials < 100; trials++) {
      if (breaker.check() !== undefined) state.now += 1000;
      else {
        state.now += after;
        breaker.answered(true);
      }
      if (breaker.state === 'closed') return trials;
    }
    return Number.POSITIVE_INFINITY;
  };
  return { breaker, state, fail, recover };
}

const refusals = amount({ some: 20_000, all: 100_000 });

describe('breaker', () => {
  it('opens after as many failures in a row as it is told, and any answer in between starts the count anew', () => {
    const { breaker, state, fail } = byHand();
    fail(2);
    breaker.answered(false);
    state.now += 2000;
    fail(2);
    expect([breaker.state, breaker.check()]).to.deep.equal(['closed', undefined]);
    fail(1);
    expect(breaker.state).to.equal('open');
    expect(breaker.check()).to.include({ code: 'ERR_BREAKER_OPEN', cause: timedOut });
  });

  it('opens at once when the connection is known to be gone, and not for one that is lost beside others that work', () => {
    const { breaker, state, fail } = byHand();
    fail(2, new ConnectionError('one of them'));
    expect(breaker.state).to.equal('closed');
    state.status = 'reconnecting';
    fail(1, new ConnectionError('gone'));
    expect(breaker.state).to.equal('open');
  });

  it('does not open for timeouts beside many more answers', () => {
    const { breaker } = byHand();
    for (let i = 0; i < 10; i++) breaker.failed(timedOut, 20, false);
    expect(breaker.state).to.equal('closed');
  });

  it('opens when most calls of the last second fail, and not for some slow ones among many', () => {
    const { breaker, state } = byHand({ threshold: 5 });
    for (let i = 0; i < 200; i++) {
      breaker.failed(timedOut, 20, false);
      state.now += 100;
    }
    expect(breaker.state).to.equal('closed');
    for (let i = 0; i < 30; i++) {
      breaker.failed(timedOut, 8, false);
      state.now += 50;
    }
    expect(breaker.state).to.equal('open');
  });

  it('does not open for calls that fail at once beside a node that is down, however many', () => {
    const { breaker } = byHand();
    for (let i = 0; i < 100; i++) {
      breaker.failed(new ConnectionError('one of them'), 1, false);
      breaker.answered(false);
    }
    expect(breaker.state).to.equal('closed');
  });

  it('does not close for calls that were sent before it opened, and closes for a slow trial in time', () => {
    const { breaker, state, fail, recover } = byHand();
    fail(3);
    breaker.answered(false);
    expect(breaker.state).to.equal('open');
    state.now += 300;
    expect(recover(900)).to.equal(1);
  });

  it('goes on to the next trial where the caller of one did not wait as long as others do', () => {
    const { breaker, state, fail } = byHand();
    fail(3);
    state.now += 100;
    expect(breaker.check()).to.equal(undefined);
    breaker.abandoned(true);
    expect(breaker.check()).to.equal(undefined);
  });

  it('asks for more trials if it opens for timeouts again soon, and for one after a calm time', () => {
    const { state, fail, recover } = byHand();
    const asked: number[] = [];
    for (let i = 0; i < 6; i++) {
      fail(3);
      state.now += 300;
      asked.push(recover());
      state.now += 1000;
    }
    expect(asked).to.deep.equal([1, 2, 16, 16, 16, 16]);
    state.now += 60_000;
    fail(3);
    state.now += 300;
    expect(recover()).to.equal(1);
  });

  it('asks for 16 trials at most, however often Redis stalls for half a minute again', () => {
    const { state, fail, recover } = byHand();
    const asked: number[] = [];
    for (let i = 0; i < 9; i++) {
      fail(3);
      state.now += 30_000;
      asked.push(recover());
      state.now += 1000;
    }
    expect(asked).to.deep.equal([1, 2, 4, 8, 16, 16, 16, 16, 16]);
  });

  it('closes for fast trials alone once it has opened for timeouts three times in a minute', () => {
    const { breaker, state, fail, recover } = byHand();
    for (let i = 0; i < 3; i++) {
      fail(3);
      state.now += 300;
      if (i < 2) recover(900);
    }
    // Each in time, and the last as good as the first.
    for (let trial = 0; trial < 50; trial++) {
      expect(breaker.check()).to.equal(undefined);
      state.now += 600;
      breaker.answered(true);
      expect(breaker.state).to.equal('half-open');
    }
    expect(recover(400)).to.equal(16);
  });

  const borders: Record<string, (time: number, random: () => number) => number> = {};
  for (const [from, to] of [
    [1, 1050],
    [300, 1100],
    [500, 1100],
    [700, 1300],
    [800, 1200],
    [900, 1100],
    [950, 1010],
    [980, 1020],
  ] as const)
    borders[`at random from ${from} to ${to} ms`] = (_, random) => from + (to - from) * random();
  for (const by of [100, 200, 400, 600])
    for (const period of [0.5, 1, 2, 4, 6, 8, 10, 15, 20, 30, 60])
      borders[`1000 ± ${by} ms in waves of ${period} s`] = (time) => 1000 + by * Math.sin((2 * Math.PI * time) / (period * 1000));

  it('changes state at most six times a minute however the latency oscillates around the deadline, with few calls or many', () => {
    for (const [border, latency] of Object.entries(borders))
      for (const rate of [2, 5, 20, 50])
        for (const seed of [1, 2, 3])
          expect(densestMinute(simulateBreaker({ latency, rate, seconds: 180, seed })), `${border}, ${rate} calls/s`).to.be.below(7);
  });

  it('tries once before the cooldown is over if Redis answers late', () => {
    const { breaker, state, fail } = byHand();
    fail(3);
    breaker.answeredLate();
    expect(breaker.check()).to.equal(undefined);
    state.now += 100;
    fail(1);
    breaker.answeredLate();
    expect(breaker.check()).to.not.equal(undefined);
  });

  it('takes a refusal of the command for an answer, and one of the whole server for a failure', () => {
    const { breaker, fail } = byHand();
    fail(10, new CommandError('WRONGTYPE'));
    expect(breaker.state).to.equal('closed');
    fail(3, new UnavailableError('LOADING'));
    expect(breaker.state).to.equal('open');
  });

  it('tries again after the first cooldown for as long as Redis answers that it cannot serve yet', () => {
    const { breaker, state, fail } = byHand();
    state.status = 'reconnecting';
    for (let trial = 0; trial < 5; trial++) {
      fail(1, new ConnectionError('gone'));
      state.now += 300;
      expect(breaker.check()).to.equal(undefined);
    }
    fail(1, new UnavailableError('LOADING'));
    for (let trial = 0; trial < 5; trial++) {
      state.now += 100;
      expect(breaker.check()).to.equal(undefined);
      fail(1, new UnavailableError('LOADING'));
      expect(breaker.state).to.equal('open');
    }
  });

  it('tries with the next call where a trial fell on a node that is down beside others that are back', () => {
    const { breaker, state, fail } = byHand();
    state.status = 'reconnecting';
    fail(1, new ConnectionError('gone'));
    breaker.check();
    state.status = 'ready';
    for (let trial = 0; trial < 5; trial++) {
      expect(breaker.check()).to.equal(undefined);
      fail(1, new ConnectionError('one of them'));
      expect(breaker.state).to.equal('open');
    }
    expect(breaker.check()).to.equal(undefined);
    breaker.answered(true);
    expect(breaker.state).to.equal('closed');
  });

  it('lets one trial through after the cooldown, which doubles with each that fails, up to its maximum, and starts anew after an answer', () => {
    const { breaker, state, fail } = byHand();
    fail(3);
    for (const cooldown of [100, 200, 300, 300]) {
      state.now += cooldown - 1;
      expect(breaker.check(), `${cooldown}`).to.not.equal(undefined);
      state.now += 1;
      expect(breaker.check(), `${cooldown}`).to.equal(undefined);
      expect(breaker.state).to.equal('half-open');
      expect(breaker.check(), 'a second one').to.not.equal(undefined);
      fail(1);
      expect(breaker.state).to.equal('open');
    }
    state.now += 300;
    breaker.check();
    breaker.answered(true);
    expect(breaker.state).to.equal('closed');
    state.now += 20_000;
    fail(3);
    state.now += 100;
    expect(breaker.check()).to.equal(undefined);
    expect(state.changes.slice(-4)).to.deep.equal(['half-open', 'closed', 'open', 'half-open']);
  });

  it('tries as soon as the connection is back, without waiting for the cooldown', () => {
    const { breaker, state, fail } = byHand();
    state.status = 'reconnecting';
    fail(1, new ConnectionError('gone'));
    expect(breaker.check()).to.not.equal(undefined);
    state.status = 'ready';
    expect(breaker.check()).to.equal(undefined);
  });

  it('goes on to the next trial where one ends in a way that says nothing about Redis', () => {
    const { breaker, state, fail } = byHand();
    fail(3);
    state.now += 100;
    breaker.check();
    fail(1, new PoolTimeoutError(1, 1));
    expect(breaker.state).to.equal('open');
    expect(breaker.check()).to.equal(undefined);
  });

  it('says what it expects', () => {
    expect(() => openStore({ breaker: { threshold: 0 } })).to.throw('expected `breaker.threshold` to be an integer ≥ 1, got `0`');
    expect(() => openStore({ breaker: { cooldown: 0 } })).to.throw(
      'expected `breaker.cooldown` to be a number of milliseconds > 0, got `0`',
    );
    expect(() => openStore({ breaker: { cooldown: 10, maxCooldown: 5 } })).to.throw('expected `breaker.maxCooldown`');
    expect(() => openStore({ breaker: true as never })).to.throw('expected `breaker` to be false or an object');
  });
});

describe('breaker of a store', () => {
  it('opens when Redis is not there, sends nothing while open, and closes by itself when it is back', async () => {
    const port = await freePort();
    const store = openStore({ location: `127.0.0.1:${port}` });
    const changes: BreakerState[] = [];
    store.on('breaker', (state) => changes.push(state));
    await store.get('k');
    expect(store.breaker).to.equal('open');
    expect(await rejection(store.del('k'))).to.include({ code: 'ERR_BREAKER_OPEN', operation: 'del', key: 'k' });
    expect((await rejection(store.del('k'))).message).to.contain('ECONNREFUSED');
    const server = await RedisServer.start([], port);
    await until(() => cacheOf(store).writer.set('k', 1), 10_000);
    expect(await store.get('k')).to.equal(1);
    expect(store.breaker).to.equal('closed');
    expect(changes[0]).to.equal('open');
    expect(changes.slice(-2)).to.deep.equal(['half-open', 'closed']);
    await server.stop();
  });

  const kinds: Record<string, StoreOptions> = { 'one connection': {}, 'a direct connection': { parser: 'auto' } };
  for (const [kind, options] of Object.entries(kinds)) {
    it(`sends no command for ${refusals} gets while it is open: ${kind}`, async () => {
      const server = await RedisServer.start();
      const store = openStore({ location: server.location, timeout: 1500, breaker: { threshold: 1, cooldown: 60_000 }, ...options });
      await store.set('k', 1);
      server.freeze();
      expect(await store.get('k')).to.equal(undefined);
      expect(store.breaker).to.equal('open');
      for (let i = 0; i < refusals; i++) await store.get('k');
      server.thaw();
      const redis = await rawClient(server);
      expect((await commandStats(redis))['get']).to.equal(1);
      redis.destroy();
      // The answer to the one that was given up says that Redis is there, before the cooldown is over.
      await until(async () => (await store.get('k')) === 1 && store.breaker === 'closed', 5000);
      expect(await store.get('k')).to.equal(1);
      await server.stop();
    });
  }

  for (const [kind, options] of Object.entries(kinds)) {
    it(`opens when Redis is slower than the deadline of most calls, and closes when it is quick again: ${kind}`, async () => {
      const server = await RedisServer.start();
      const proxy = await FaultProxy.start(server.port, new Random(1));
      const store = openStore({ location: proxy.location, timeout: 300, ...options });
      await store.set('k', 1);
      proxy.become({ kind: 'late', by: 350, jitter: 50 });
      await until(() => {
        void store.get('k');
        return store.breaker === 'open';
      }, 5000);
      // Late answers keep coming, and trials fail.
      let refused = 0;
      for (let i = 0; i < 100; i++) {
        void store.get('k');
        if (store.breaker !== 'closed') refused++;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      expect(refused).to.equal(100);
      proxy.become({ kind: 'open' });
      await until(async () => (await store.get('k')) === 1 && store.breaker === 'closed', 5000);
      await store.disconnect();
      await proxy.stop();
      await server.stop();
    });
  }

  it('is off where it was told to be', async () => {
    const store = openStore({ location: `127.0.0.1:${await freePort()}`, breaker: false });
    for (let i = 0; i < 10; i++) expect((await rejection(store.del('k'))).code).to.equal('ERR_CONNECTION');
    expect(store.breaker).to.equal('closed');
  });

  for (const major of ['5', '6', '7'] as const) {
    it(`lets wrap of cache-manager ${major} give the function's value every time`, async () => {
      const location = `127.0.0.1:${await freePort()}`;
      const cache = await wrapper(major, location);
      for (let i = 0; i < 1000; i++) expect(await cache.wrap(`k${i}`, async () => i)).to.equal(i);
      await cache.close();
    });
  }
});

interface Wrapper {
  wrap(key: string, make: () => Promise<number>): Promise<unknown>;
  close(): Promise<void>;
}

async function wrapper(major: '5' | '6' | '7', location: string): Promise<Wrapper> {
  const require = createRequire(__filename);
  if (major === '5') {
    const store = closing(redisStore({ location }));
    const cache = await require('cache-manager5').caching(store);
    return { wrap: (key, make) => cache.wrap(key, make), close: () => store.disconnect() };
  }
  const keyv = createKeyv({ location });
  keyv.on('error', () => {});
  const { createCache } = await import(major === '6' ? 'cache-manager6' : 'cache-manager');
  const cache = createCache({ stores: [keyv] });
  return { wrap: (key, make) => cache.wrap(key, make), close: async () => void (await keyv.disconnect()) };
}
