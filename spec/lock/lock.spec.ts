import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type LockError, nullStore, redisStore } from '../../src/index.js';
import { anyLayout } from '../support/acl.js';
import { sharedServer } from '../support/hooks.js';
import { closing, openStore, rejection } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { unhandled } from '../support/unhandled.js';
import { until } from '../support/until.js';
import { type RawClient, rawClient } from '../support/wire.js';

describe('locks', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  function two() {
    const prefix = `lock-${Math.random()}`;
    return { prefix, one: openStore({ prefix }), other: openStore({ prefix, version: 2 }) };
  }

  it('leave an error of the work to the caller, unhandled if it is dropped, unless the store has reported it', async () => {
    const { one } = two();
    const mine = new Error('mine');
    let calls = 0;
    const fail = () => {
      calls++;
      throw mine;
    };
    const drop = async () => {
      void one.withLock('dropped', fail);
      await until(() => calls === 1);
    };
    expect(await unhandled(drop)).to.deep.equal([mine]);
    expect(await rejection(one.withLock('awaited', fail))).to.equal(mine);
    const dropped = () => {
      void one.withLock('reported', () => one.del(5 as never));
      void one.withLock(5 as never, () => 'never runs');
    };
    expect(await unhandled(dropped)).to.deep.equal([]);
  });

  it('are held by one at a time, whatever the version of the store', async () => {
    const { one, other } = two();
    let inside = 0;
    let most = 0;
    let runs = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      runs++;
      await sleep(2);
      inside--;
    };
    await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).withLock('k', work, { wait: 10_000 })));
    expect([most, runs]).to.deep.equal([1, 20]);
  });

  it('are given up by a signal without a wait as well, and released if the signal comes while one is taken', async () => {
    const { one, other } = two();
    await one.lock('held');
    for (const key of ['held', 'free']) {
      expect((await rejection(other.lock(key, { signal: AbortSignal.abort() }))).code).to.equal('ERR_ABORTED');
      const late = new AbortController();
      const locking = rejection(other.lock(key, { signal: late.signal }));
      // It has been asked for, and is not answered yet.
      late.abort();
      expect((await locking).code).to.equal('ERR_ABORTED');
    }
    expect((await one.lock('free', { wait: 5000 })).held).to.equal(true);
    expect(other.errors).to.deep.equal([]);
  });

  it('are refused while another holder has them, waited for as long as asked, and given up by a signal', async () => {
    const { one, other } = two();
    const lock = await one.lock('k');
    const failure = await rejection<LockError>(other.lock('k'));
    expect([failure.code, failure.reason, failure.operation, failure.key]).to.deep.equal(['ERR_LOCK_HELD', 'held', 'lock', 'k']);
    expect((await rejection(other.lock('k', { wait: 50 }))).code).to.equal('ERR_LOCK_HELD');
    const signal = AbortSignal.timeout(50);
    expect((await rejection(other.lock('k', { wait: Number.POSITIVE_INFINITY, signal }))).code).to.equal('ERR_ABORTED');
    const waiting = other.lock('k', { wait: 10_000 });
    await lock.release();
    await (await waiting).release();
    expect(lock.held).to.equal(false);
  });

  it('give tokens that rise from holder to holder, also after the counter is gone or ahead of the clock', async () => {
    const { one, other, prefix } = two();
    const counter = `${prefix}#f:{${prefix}:k}`;
    const fences: number[] = [];
    for (let i = 0; i < 30; i++) {
      // An eviction, and a clock that was set back by an hour.
      if (i === 10) await redis.del(counter);
      if (i === 20) {
        const ahead = Number(await redis.get(counter)) + 3_600_000_000;
        await redis.set(counter, String(ahead));
        fences.push(ahead);
      }
      fences.push(await (i % 2 ? one : other).withLock('k', ({ fence }) => fence));
    }
    expect(fences.every((fence, i) => Number.isSafeInteger(fence) && fence > (fences[i - 1] ?? 0))).to.equal(true);
  });

  it('are refused, and leave nothing behind, where the counter of their tokens holds something else than a token', async () => {
    const { one, prefix } = two();
    const [lock, counter] = [`${prefix}#k:{${prefix}:k}`, `${prefix}#f:{${prefix}:k}`];
    const texts = [
      '9007199254740991',
      '9007199254740993',
      '1e300',
      'nan',
      'inf',
      '-5',
      'abc',
      '',
      ' 1',
      '0x10',
      '1.5',
      '9'.repeat(20),
      '1'.repeat(2 ** 20),
    ];
    const planted = [
      ...texts.map((text) => () => redis.set(counter, text)),
      () => redis.lPush(counter, 'x'),
      () => redis.sAdd(counter, 'x'),
      () => redis.hSet(counter, 'x', '1'),
      () => redis.xAdd(counter, '*', { x: '1' }),
    ];
    for (const plant of planted) {
      await redis.del(counter);
      await plant();
      const failure = await rejection<LockError>(one.lock('k', { wait: 5000 }));
      expect([failure.code, failure.reason], String(plant)).to.deep.equal(['ERR_LOCK_FENCE', 'fence']);
      expect(await redis.exists(lock)).to.equal(0);
    }
    await redis.del(counter);
    expect(await one.withLock('k', () => 'free again')).to.equal('free again');
  });

  it('give the last token that is exact once, and then none', async () => {
    const { one, prefix } = two();
    await redis.set(`${prefix}#f:{${prefix}:k}`, '9007199254740990');
    expect(await one.withLock('k', ({ fence }) => fence)).to.equal(Number.MAX_SAFE_INTEGER);
    expect((await rejection(one.lock('k'))).code).to.equal('ERR_LOCK_FENCE');
  });

  it('are held by another where something else stands in their place, for as long as the caller waits', async () => {
    const { one, prefix } = two();
    const lock = `${prefix}#k:{${prefix}:k}`;
    for (const plant of [() => redis.lPush(lock, 'x'), () => redis.set(lock, ''), () => redis.set(lock, 'x'.repeat(2 ** 20))]) {
      await redis.del(lock);
      await plant();
      expect((await rejection(one.lock('k', { wait: 50 }))).code).to.equal('ERR_LOCK_HELD');
    }
  });

  it('are renewed while they are held and lapse where they are not', async () => {
    const { one, other } = two();
    const lock = await one.lock('k', { ttl: 200 });
    const lapsing = await one.lock('l', { ttl: 150, renew: false });
    await sleep(600);
    expect([lock.held, lapsing.held, lapsing.signal.aborted]).to.deep.equal([true, false, true]);
    expect((await rejection(other.lock('k'))).code).to.equal('ERR_LOCK_HELD');
    await (await other.lock('l')).release();
    expect((await rejection(lapsing.release())).code).to.equal('ERR_LOCK_LOST');
    await lock.release();
    await lock.release();
  });

  it('are released by their holder only, which gets an error if they were lost', async () => {
    const { one, other, prefix } = two();
    const lock = await one.lock('k', { ttl: 300 });
    await redis.del(`${prefix}#k:{${prefix}:k}`);
    const next = await other.lock('k');
    expect(next.fence).to.be.above(lock.fence);
    await new Promise((resolve) => lock.signal.addEventListener('abort', resolve));
    expect((lock.signal.reason as LockError).code).to.equal('ERR_LOCK_LOST');
    expect((await rejection(lock.release())).code).to.equal('ERR_LOCK_LOST');
    expect((await rejection(lock.renew())).code).to.equal('ERR_LOCK_LOST');
    expect((await rejection(one.lock('k'))).code).to.equal('ERR_LOCK_HELD');
    await next.renew();
    await next.release();
  });

  it('are released however the work ends; what it throws comes first, and a lost lock is not passed over', async () => {
    const { one, prefix } = two();
    const boom = new Error('boom');
    expect(
      await rejection<Error>(
        one.withLock('k', () => {
          throw boom;
        }),
      ),
    ).to.equal(boom);
    const lose = () => redis.del(`${prefix}#k:{${prefix}:k}`);
    expect((await rejection(one.withLock('k', lose))).code).to.equal('ERR_LOCK_LOST');
    {
      await using lock = await one.lock('k');
      expect(lock.held).to.equal(true);
    }
    expect(await one.withLock('k', () => 'free')).to.equal('free');
  });

  it('stay when the cache is emptied, and are no keys of it', async () => {
    const random = `lock-${Math.random()}`;
    for (const [prefix, version] of [[random], [''], [random, 1], ['', 1]] as const) {
      const server = await RedisServer.start(prefix === '' ? anyLayout() : []);
      const store = openStore({ location: server.location, prefix, version, wholeDatabase: true });
      await store.set('k', 1);
      const lock = await store.lock('k');
      expect(await store.keys()).to.deep.equal(['k']);
      await store.clear();
      await store.clear({ allVersions: true });
      expect(await store.has('k')).to.equal(false);
      await lock.release();
      await store.disconnect();
      await server.stop();
    }
  });

  it('fail loud where Redis does not answer, and are lost when their time is over', async () => {
    const server = await RedisServer.start();
    const store = openStore({ location: server.location, timeout: 200 });
    const lock = await store.lock('k', { ttl: 400 });
    server.freeze();
    expect((await rejection(store.lock('l'))).code).to.equal('ERR_TIMEOUT');
    await new Promise((resolve) => lock.signal.addEventListener('abort', resolve));
    expect(lock.held).to.equal(false);
    server.thaw();
    await server.stop();
  });

  it('need a Redis, or an engine in this process, and keys that have a place for them', async () => {
    expect((await rejection(nullStore().lock('k'))).code).to.equal('ERR_UNSUPPORTED');
    const keyFunction = (key: string) => key;
    expect((await rejection(openStore({ keyFunction }).lock('k'))).code).to.equal('ERR_UNSUPPORTED');
    const memory = closing(redisStore({ location: 'memory:' }));
    const lock = await memory.lock('k', { ttl: 100 });
    expect((await rejection(memory.lock('k'))).code).to.equal('ERR_LOCK_HELD');
    await sleep(300);
    await lock.release();
    expect(await memory.withLock('k', ({ fence }) => fence)).to.be.above(lock.fence);
    expect((await rejection<Error>(memory.lock('k', { ttl: 5 }))).message).to.include('expected `ttl`');
    expect((await rejection<Error>(memory.lock('k', { wait: -1 }))).message).to.include('expected `wait`');
  });
});
