import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { FactoryContext, GetOrSetOptions } from '../../src/index.js';
import { redisStore } from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { closing, openStore, rejection } from '../support/open.js';
import { freePort } from '../support/redis.js';
import { until } from '../support/until.js';
import { type RawClient, rawClient } from '../support/wire.js';

/** Work that ends when it is told to. */
function gate<T>(): { readonly promise: Promise<T>; open(value: T): void; fail(error: Error): void } {
  let open!: (value: T) => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    open = yes;
    fail = no;
  });
  return { promise, open, fail };
}

/** The entry has so much of its time in Redis left. */
const age = (redis: RawClient, redisKey: string, left: number): Promise<unknown> => redis.pExpire(redisKey, left);

describe('getOrSet', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  /** Two stores on the same entries, as two processes would have them. */
  function two(options = {}) {
    const prefix = `gos-${Math.random()}`;
    return { prefix, one: openStore({ prefix, ...options }), other: openStore({ prefix, ...options }) };
  }

  describe('one call for all', () => {
    it('runs the function once for two processes, and the other gets what was stored', async () => {
      const { one, other, prefix } = two();
      let calls = 0;
      const made = gate<{ n: number }>();
      const make = () => {
        calls++;
        return made.promise;
      };
      const all = [one.getOrSet('k', make), other.getOrSet('k', make)];
      await until(() => one.stats().loads + other.stats().loads === 1 && one.stats().leaseWaits + other.stats().leaseWaits === 1);
      made.open({ n: 1 });
      expect(await Promise.all(all)).to.deep.equal([{ n: 1 }, { n: 1 }]);
      expect(calls).to.equal(1);
      expect(await redis.exists(`${prefix}#l:{${prefix}:k}`)).to.equal(0);
    });

    it('asks again once the lease is there: what was stored between looking and claiming is not made twice', async () => {
      const { one, other } = two();
      const passed = gate<void>();
      // The answer of the first look is late: the other has stored and given the lease back before it comes.
      const { commands } = cacheOf(other).context;
      const { get } = commands;
      let looked = false;
      commands.get = async (key) => {
        const stored = await get(key);
        looked = true;
        await passed.promise;
        return stored;
      };
      const late = other.getOrSet('k', () => 'made twice');
      await until(() => looked);
      expect(await one.getOrSet('k', () => 'made once')).to.equal('made once');
      passed.open();
      expect(await late).to.equal('made once');
    });

    it('gives no two callers the same object', async () => {
      const store = openStore();
      const skipped = ({ skip }: FactoryContext) => {
        skip();
        return { list: [1] };
      };
      const makes = { stored: () => ({ list: [1] }), 'not stored': skipped };
      for (const [key, make] of Object.entries(makes)) {
        for (const _ of ['made', 'read']) {
          const all = await Promise.all(Array.from({ length: 5 }, () => store.getOrSet(key, make)));
          all[0]?.list.push(2);
          expect(all.slice(1)).to.deep.equal(Array(4).fill({ list: [1] }));
          expect(new Set(all).size).to.equal(5);
        }
      }
    });

    it('stores no rejection, and lets the next caller try at once', async () => {
      const { one, other } = two();
      const boom = new Error('boom');
      const failing = gate<string>();
      const first = rejection<Error>(one.getOrSet('k', () => failing.promise));
      await until(() => one.stats().loads === 1);
      const second = other.getOrSet('k', () => 'fine');
      await until(() => other.stats().leaseWaits === 1);
      failing.fail(boom);
      expect(await first).to.equal(boom);
      expect(await second).to.equal('fine');
      expect(one.errors).to.deep.equal([]);
    });

    it('runs the function where Redis is away, stores nothing, and hands it the same context', async () => {
      const store = closing(redisStore({ location: `127.0.0.1:${await freePort()}`, timeout: 200 }));
      const seen: unknown[] = [];
      const make = (context: FactoryContext) => seen.push(context.key, context.stale);
      expect(await store.getOrSet('k', make, { staleFor: 1000, lease: 1000 })).to.equal(2);
      expect(seen).to.deep.equal(['k', undefined]);
    });

    it('keeps the lease while the function runs, however long, and lets it lapse with its holder', async () => {
      const { one, other, prefix } = two();
      const made = gate<string>();
      // A busy machine may stop a process for longer than a short lease lasts.
      const slow = one.getOrSet('k', () => made.promise, { lease: 800 });
      await sleep(1200);
      let calls = 0;
      const waiting = other.getOrSet('k', () => ++calls, { lease: 800 });
      await sleep(800);
      made.open('late');
      expect([await slow, await waiting, calls]).to.deep.equal(['late', 'late', 0]);
      await redis.set(`${prefix}#l:{${prefix}:dead}`, 'the token of a process that died', { PX: 300 });
      expect(await other.getOrSet('dead', () => 'replaced', { lease: 200 })).to.equal('replaced');
    });

    it('waits for no other process with lease: false, and if a key function leaves no place for a lease', async () => {
      for (const options of [{}, { keyFunction: (key: string) => `own:${key}` }]) {
        const { one, other } = two(options);
        await one.del('k');
        const made = gate<string>();
        const slow = one.getOrSet('k', () => made.promise, { lease: false });
        await until(() => one.stats().loads === 1);
        expect(await other.getOrSet('k', () => 'fast', { lease: false })).to.equal('fast');
        made.open('slow');
        expect(await slow).to.equal('slow');
        expect(await other.get('k')).to.equal('slow');
        await one.del('k');
      }
    });
  });

  describe('a deletion while the function runs', () => {
    it('is seen by later callers: they do not share the call that began before', async () => {
      const { one, other } = two();
      const before = gate<string>();
      const early = one.getOrSet('k', () => before.promise);
      await until(() => one.stats().loads === 1);
      await one.del('k');
      expect(await one.getOrSet('k', () => 'after')).to.equal('after');
      before.open('before');
      expect(await early).to.equal('before');
      expect(await other.get('k')).to.equal('after');
    });

    it('loses to one that takes the value out, or finds none to take', async () => {
      const { one, other } = two();
      for (const taker of [one, other]) {
        const made = gate<string>();
        const { loads } = one.stats();
        const loading = one.getOrSet('k', () => made.promise);
        await until(() => one.stats().loads > loads);
        expect(await taker.getAndDelete('k')).to.equal(undefined);
        made.open('outdated');
        expect(await loading).to.equal('outdated');
        await sleep(20);
        expect(await other.get('k')).to.equal(undefined);
      }
    });

    it('loses to nothing that is renewed in the background either', async () => {
      const { one, other, prefix } = two();
      const options = { ttl: 10_000, staleFor: 10_000 };
      for (const end of [(key: string) => other.del(key), (key: string) => other.getAndDelete(key), () => other.clear()]) {
        await one.getOrSet('k', () => 'old', options);
        await age(redis, `${prefix}:k`, 5_000);
        const made = gate<string>();
        let began = false;
        const make = () => {
          began = true;
          return made.promise;
        };
        expect(await one.getOrSet('k', make, options)).to.equal('old');
        await until(() => began);
        await end('k');
        made.open('outdated');
        await sleep(20);
        expect(await redis.exists(`${prefix}:k`)).to.equal(0);
      }
    });

    it('and so does a value that another process sets', async () => {
      const { one, other } = two();
      const made = gate<string>();
      const loading = one.getOrSet('k', () => made.promise);
      await until(() => one.stats().loads === 1);
      await other.set('k', 'set meanwhile');
      made.open('outdated');
      expect(await loading).to.equal('outdated');
      expect(await one.get('k')).to.equal('set meanwhile');
    });
  });

  describe('stale values', () => {
    const options: GetOrSetOptions = { ttl: 60_000, staleFor: 60_000 };

    it('are served while one call renews them, and are misses for callers without `staleFor`', async () => {
      const { one, other, prefix } = two();
      await one.getOrSet('k', () => ['old'], options);
      expect(await redis.pTTL(`${prefix}:k`)).to.be.within(110_000, 120_000);
      expect(await other.mget('k', 'x')).to.deep.equal([['old'], undefined]);
      await age(redis, `${prefix}:k`, 59_000);
      expect([await other.get('k'), await other.mget('k', 'x')]).to.deep.equal([undefined, [undefined, undefined]]);
      const made = gate<string[]>();
      const stale: unknown[] = [];
      const make = (context: FactoryContext<string[]>) => {
        stale.push(context.stale);
        return made.promise;
      };
      expect(await Promise.all([one, other, one, other].map((store) => store.getOrSet('k', make, options)))).to.deep.equal(
        Array(4).fill(['old']),
      );
      await until(() => stale.length > 0);
      expect(await other.getOrSet('k', make, options)).to.deep.equal(['old']);
      made.open(['new']);
      await until(async () => (await other.get('k')) !== undefined);
      expect(await other.getOrSet('k', make, options)).to.deep.equal(['new']);
      expect(stale).to.deep.equal([['old']]);
      // Its own bound holds for the reader, too.
      await age(redis, `${prefix}:k`, 30_000);
      expect(await other.getOrSet('k', () => ['made'], { ...options, staleFor: 10_000 })).to.deep.equal(['made']);
    });

    it('say what they are in their bytes; all other entries keep the bytes they had', async () => {
      const { one, prefix } = two();
      await one.getOrSet('aging', () => 'x', options);
      await one.getOrSet('plain', () => 'x', 60_000);
      await one.getOrSet('for ever', () => 'x', { staleFor: 60_000 });
      const bytes = (key: string) => redis.sendCommand<string>(['GET', `${prefix}:${key}`]);
      expect(await redis.eval(`return redis.call('GET', KEYS[1]):byte(1)`, { keys: [`${prefix}:aging`] })).to.equal(0xc1);
      expect((await bytes('aging')).slice(1)).to.match(/^stale\.60000\.\d+\0"x"$/);
      expect(await bytes('plain')).to.equal('"x"');
      expect(await bytes('for ever')).to.equal('"x"');
      for await (const _ of openStore({ prefix, compression: { algorithm: 'gzip', threshold: 0 } }).reencode());
      expect((await bytes('aging')).slice(1)).to.match(/^stale\.60000\.\d+\0.json\+gzip\0|^stale\.60000\.\d+\0.keyv\+gzip\0/);
      expect(await one.get('aging')).to.equal('x');
      await age(redis, `${prefix}:aging`, 50_000);
      expect(await one.get('aging')).to.equal(undefined);
    });

    it('are served where the function fails, which is not called again for a while', async () => {
      const { one, other, prefix } = two();
      await one.getOrSet('k', () => 'old', options);
      await age(redis, `${prefix}:k`, 50_000);
      let calls = 0;
      const make = () => {
        calls++;
        throw new Error('no database');
      };
      for (let i = 0; i < 20; i++) {
        expect(await one.getOrSet('k', make, options)).to.equal('old');
        expect(await other.getOrSet('k', make, options)).to.equal('old');
        await sleep(5);
      }
      expect(calls).to.equal(1);
      const errors = [...one.errors, ...other.errors];
      expect(errors.map(({ code, operation, key, cause }) => [code, operation, key, (cause as Error).message])).to.deep.equal([
        ['ERR_REFRESH', 'getOrSet', 'k', 'no database'],
      ]);
      // A caller without a stale value does not wait until that pause is over.
      expect(await other.getOrSet('k', () => 'new', 1000)).to.equal('new');
    });

    it('are given up for a new value that comes within softTimeout, which others wait for as well', async () => {
      const { one, other, prefix } = two();
      const patient = { ...options, softTimeout: 5_000 };
      await one.getOrSet('k', () => 'old', options);
      await age(redis, `${prefix}:k`, 50_000);
      const make = async () => {
        await sleep(50);
        return 'new';
      };
      expect(await Promise.all([one.getOrSet('k', make, patient), other.getOrSet('k', make, patient)])).to.deep.equal(['new', 'new']);
      await age(redis, `${prefix}:k`, 50_000);
      const never = gate<string>();
      expect(await one.getOrSet('k', () => never.promise, { ...options, softTimeout: 20 })).to.equal('new');
      never.open('late');
      await until(async () => (await one.get('k')) === 'late');
    });
  });

  describe('timeouts, early renewal, and what the function may say', () => {
    it('shares one wait for another process among callers that give up one after the other', async () => {
      const { one, other } = two();
      const made = gate<string>();
      const loading = one.getOrSet('k', () => made.promise);
      await until(() => one.stats().loads === 1);
      for (let i = 0; i < 5; i++) {
        const failure = await rejection(other.getOrSet('k', () => 'never called', { hardTimeout: 10 }));
        expect(failure.code).to.equal('ERR_FACTORY_TIMEOUT');
      }
      expect(other.stats().leaseWaits).to.equal(1);
      made.open('late');
      expect(await loading).to.equal('late');
      expect(await other.getOrSet('k', () => 'never called')).to.equal('late');
    });

    it('gives up waiting after hardTimeout, and stores what comes late', async () => {
      const { one, other } = two();
      const made = gate<string>();
      const failure = await rejection(one.getOrSet('k', () => made.promise, { hardTimeout: 30 }));
      expect([failure.code, failure.operation, failure.key]).to.deep.equal(['ERR_FACTORY_TIMEOUT', 'getOrSet', 'k']);
      expect((await rejection(other.getOrSet('k', () => 'never called', { hardTimeout: 30 }))).code).to.equal('ERR_FACTORY_TIMEOUT');
      made.open('late');
      await until(async () => (await one.get('k')) === 'late');
      const failing = gate<string>();
      await rejection(one.getOrSet('f', () => failing.promise, { hardTimeout: 10 }));
      failing.fail(new Error('late'));
      await until(() => one.errors.some(({ code }) => code === 'ERR_REFRESH'));
    });

    it('renews once in the background where less than refreshAhead is left', async () => {
      const { one, other, prefix } = two();
      const options = { ttl: 60_000, refreshAhead: 10_000 };
      let calls = 0;
      const make = async () => ++calls;
      expect(await one.getOrSet('k', make, options)).to.equal(1);
      expect(await redis.get(`${prefix}:k`)).to.equal('1');
      expect(await other.getOrSet('k', make, options)).to.equal(1);
      await age(redis, `${prefix}:k`, 9_000);
      expect(await Promise.all([one, other, one].map((store) => store.getOrSet('k', make, options)))).to.deep.equal([1, 1, 1]);
      await until(async () => (await one.get('k')) === 2);
      expect(await one.ttl('k')).to.be.above(50_000);
      await sleep(50);
      expect(calls).to.equal(2);
    });

    it('renews by XFetch with the cost that is stored beside the value', async () => {
      const { one, prefix } = two();
      const options = { ttl: 60_000, refreshAhead: { beta: 1 } };
      await one.getOrSet('k', () => sleep(30, 'old'), options);
      expect(await redis.sendCommand<string>(['GET', `${prefix}:k`])).to.match(/stale\.0\.\d\d+\0"old"$/);
      expect(await one.get('k')).to.equal('old');
      // With a thousandth of the cost left, all but one in a thousand reads renew.
      await age(redis, `${prefix}:k`, 30_000);
      for (let i = 0; i < 20; i++) await one.getOrSet('k', () => 'too early', options);
      expect(await one.get('k')).to.equal('old');
      let renewed = false;
      const renew = () => {
        renewed = true;
        return 'new';
      };
      await until(async () => {
        await age(redis, `${prefix}:k`, 20);
        await one.getOrSet('k', renew, options);
        return renewed;
      });
    });

    it('lets the function say what is not stored and for how long', async () => {
      const store = openStore();
      const skipped = ({ skip }: FactoryContext) => {
        skip();
        return 'made';
      };
      const brief = ({ setTtl }: FactoryContext) => {
        setTtl(5_000);
        return 'made';
      };
      expect(await store.getOrSet('skip', skipped)).to.equal('made');
      expect(await store.has('skip')).to.equal(false);
      expect(await store.getOrSet('ttl', brief, 60_000)).to.equal('made');
      expect(await store.ttl('ttl')).to.be.within(1, 5_000);
      expect((await rejection<Error>(store.getOrSet('bad', (context) => context.setTtl(-1)))).message).to.include('expected `ttl`');
    });

    it('waits for what runs in the background when the store is disconnected, for so long as it may, and then aborts it', async () => {
      const { one, other, prefix } = two({ timeout: 300 });
      const options = { ttl: 60_000, staleFor: 60_000 };
      await one.getOrSet('k', () => 'old', options);
      await one.getOrSet('hung', () => 'old', options);
      await age(redis, `${prefix}:k`, 50_000);
      await one.getOrSet('k', () => sleep(50, 'new'), options);
      await one.disconnect();
      expect(await other.get('k')).to.equal('new');
      await age(redis, `${prefix}:hung`, 50_000);
      let signal: AbortSignal | undefined;
      const hang = (context: FactoryContext<string>) => {
        signal = context.signal;
        return new Promise<string>(() => {});
      };
      await other.getOrSet('hung', hang, options);
      await until(() => signal);
      const start = performance.now();
      await other.disconnect();
      expect(signal?.aborted).to.equal(true);
      expect(performance.now() - start).to.be.below(2000);
    });

    it('refuses options that make no sense', async () => {
      const store = openStore();
      for (const [options, name] of [
        [{ staleFor: -1 }, 'staleFor'],
        [{ lease: 0 }, 'lease'],
        [{ hardTimeout: 0 }, 'hardTimeout'],
        [{ softTimeout: Number.NaN }, 'softTimeout'],
        [{ refreshAhead: { beta: 0 } }, 'refreshAhead.beta'],
        [{ ttl: -5 }, 'ttl'],
      ] as const) {
        const failure = await rejection<Error & { code: string }>(store.getOrSet('k', 1, options));
        expect([failure.code, failure.message.includes(`\`${name}\``)]).to.deep.equal(['ERR_ARGUMENT', true]);
      }
    });
  });
});
