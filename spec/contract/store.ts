import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { type CacheError, MissingKeyError, type RedisStore, redisStore, type StoreOptions, UnsupportedError } from '../../src/index.js';
import { cacheOf } from '../support/internals.js';
import type { Setting } from '../support/settings.js';
import { until } from '../support/until.js';

/** Values that come back as they went in, whatever the serializer. */
export const plainValues: readonly unknown[] = [
  null,
  0,
  -1,
  1.5,
  1e21,
  Number.MAX_SAFE_INTEGER,
  true,
  false,
  '',
  'text',
  ':colon',
  '::two',
  ':base64:AAAA',
  'line\nbreak \0 and 🙂 ü',
  '"quotes"',
  [],
  [1, 'two', null, [3]],
  {},
  { a: { b: [1, 2] }, ':key': ':value', 'with "quotes"': 1 },
  'x'.repeat(5000),
  Buffer.from([0xff, 0x00, 0xfe]),
  Buffer.from('c1c0', 'hex'),
  Buffer.alloc(0),
];

export function storeContract(setting: Setting): void {
  describe(`store contract: ${setting.title}`, () => {
    let options: StoreOptions;
    let store: RedisStore;
    const open = (more: StoreOptions = {}): RedisStore => redisStore({ ...options, prefix: fresh(), ...more });
    const fresh = (): string => (setting.scope ?? '') + randomUUID();
    /** What an encrypted value does not allow. */
    const unsealed = (title: string, spec: () => Promise<void>): void => {
      if (!setting.sealed) it(title, spec);
    };

    before(async () => {
      // These are about values, not about time: nothing may be too late, however busy the machine is.
      options = { timeout: 10_000, ...(await setting.options()) };
    });
    after(() => setting.after?.());
    beforeEach(() => {
      store = open();
      store.on('error', (error: CacheError) => errors.push(error));
    });
    const errors: CacheError[] = [];
    afterEach(async () => {
      await store.reset();
      await store.disconnect();
      // A value that came back only because its failure was passed over would not be right.
      expect(errors.splice(0).filter(({ code }) => code !== 'ERR_MISSING_KEY' && code !== 'ERR_ARGUMENT')).to.deep.equal([]);
    });

    it('gives back what was set, of every type', async () => {
      for (const [i, value] of plainValues.entries()) {
        await store.set(`k${i}`, value);
        expect(await store.get(`k${i}`), `value ${i}`).to.deep.equal(value);
      }
      const keys = plainValues.map((_, i) => `k${i}`);
      expect(await store.mget(...keys)).to.deep.equal(plainValues);
    });

    it('takes a key named __proto__ inside a value for nothing special', async () => {
      await store.set('k', JSON.parse('{"__proto__": {"polluted": true}, "a": 1}'));
      expect(await store.get('k')).to.include({ a: 1 });
      expect(({} as { polluted?: boolean }).polluted).to.equal(undefined);
    });

    it('gives undefined for a missing key and stores no undefined', async () => {
      expect(await store.get('missing')).to.equal(undefined);
      await store.set('undefined', undefined);
      expect(await store.has('undefined')).to.equal(false);
      expect(await store.mget('missing', 'undefined')).to.deep.equal([undefined, undefined]);
    });

    it('stores only what isCacheable allows', async () => {
      const picky = open({ isCacheable: (value) => value !== null });
      await picky.set('null', null);
      await picky.mset([
        ['null2', null],
        ['one', 1],
      ]);
      expect(await picky.mget('null', 'null2', 'one')).to.deep.equal([undefined, undefined, 1]);
      expect([picky.isCacheable(null), picky.isCacheable(undefined), picky.isCacheable(1)]).to.deep.equal([false, false, true]);
      await picky.disconnect();
    });

    it('expires entries in milliseconds, the default ttl unless told otherwise', async () => {
      const timed = open({ ttl: 60_000 });
      await timed.set('default', 1);
      await timed.set('own', 1, 1500.2);
      await timed.mset({ a: 1, b: 2 });
      await timed.mset([['c', 3]], 5000);
      for (const ever of [0, null, Number.POSITIVE_INFINITY]) await timed.set(`ever ${ever}`, 1, ever);
      expect(await timed.ttl('default')).to.be.within(50_000, 60_000);
      expect(await timed.ttl('own')).to.be.within(500, 1501);
      expect(await timed.ttl('a')).to.be.within(50_000, 60_000);
      expect(await timed.ttl('b')).to.be.within(50_000, 60_000);
      expect(await timed.ttl('c')).to.be.within(3000, 5000);
      for (const ever of [0, null, Number.POSITIVE_INFINITY]) expect(await timed.ttl(`ever ${ever}`)).to.equal(-1);
      expect(await timed.ttl('missing')).to.equal(-2);
      await timed.reset();
      await timed.disconnect();
    });

    it('lets an entry go when its time is over', async () => {
      await store.set('short', 1, 30);
      await until(async () => (await store.get('short')) === undefined, 5000);
      expect(await store.get('short')).to.equal(undefined);
      expect(await store.has('short')).to.equal(false);
    });

    it('says how long an entry lives, that it never expires, and that there is none', async () => {
      await store.set('ever', 1);
      await store.set('timed', 1, 10_000);
      expect(await store.ttl('ever')).to.equal(-1);
      expect(await store.ttl('timed')).to.be.within(5000, 10_000);
      expect(await store.ttl('missing')).to.equal(-2);
    });

    it('changes a time to live by touch and persist', async () => {
      await store.set('k', 'v', 10_000);
      expect(await store.touch('k', 60_000)).to.equal(true);
      expect(await store.ttl('k')).to.be.within(50_000, 60_000);
      expect(await store.persist('k')).to.equal(true);
      expect(await store.persist('k')).to.equal(false);
      expect(await store.ttl('k')).to.equal(-1);
      expect(await store.touch('k', 0)).to.equal(true);
      expect(await store.ttl('k')).to.equal(-1);
      expect(await store.touch('missing', 0)).to.equal(false);
      expect(await store.touch('missing', 1000)).to.equal(false);
      expect(await store.get('k')).to.equal('v');
    });

    it('rejects a time to live that makes no sense', async () => {
      for (const ttl of [-1, Number.NaN, '5' as never, {} as never]) {
        expect(await store.set('k', 1, ttl).catch((error) => error)).to.be.instanceOf(TypeError);
      }
      expect(errors.splice(0).map(({ code }) => code)).to.deep.equal(Array(4).fill('ERR_ARGUMENT'));
      expect(await store.has('k')).to.equal(false);
    });

    it('deletes one and many', async () => {
      await store.mset({ a: 1, b: 2, c: 3 });
      await store.del('a');
      expect(await store.mget('a', 'b', 'c')).to.deep.equal([undefined, 2, 3]);
      await store.mdel('b', 'c', 'missing');
      expect(await store.mget('a', 'b', 'c')).to.deep.equal([undefined, undefined, undefined]);
      await store.mdel();
      expect(await store.mget()).to.deep.equal([]);
      await store.mset([]);
    });

    it('tells presence by has', async () => {
      await store.set('zero', 0);
      expect(await store.has('zero')).to.equal(true);
      expect(await store.has('missing')).to.equal(false);
      expect(await cacheOf(store).reader.hasMany(['zero', 'missing', 'zero'])).to.deep.equal([true, false, true]);
    });

    it('adds only what is absent, of many that try at once exactly one', async () => {
      const won = await Promise.all(Array.from({ length: 20 }, (_, i) => store.add('k', i, 10_000)));
      expect(won.filter(Boolean)).to.have.lengthOf(1);
      expect(await store.get('k')).to.equal(won.indexOf(true));
      expect(await store.ttl('k')).to.be.within(5000, 10_000);
      expect(await store.add('undefined', undefined)).to.equal(false);
    });

    unsealed('counts atomically, and keeps the time to live', async () => {
      await store.set('n', 5, 60_000);
      await Promise.all(Array.from({ length: 50 }, () => store.incr('n')));
      expect(await store.decr('n', 5)).to.equal(50);
      expect(await store.get('n')).to.equal(50);
      expect(await store.ttl('n')).to.be.within(50_000, 60_000);
      expect(await store.incr('new', 2, { initial: 10, ttl: 10_000 })).to.equal(12);
      expect(await store.ttl('new')).to.be.within(5000, 10_000);
      expect(await store.decr('down', 1, { initial: 0 })).to.equal(-1);
    });

    it('asks the ttl function only where there is a value, and says so where it fails', async () => {
      const failing = open({ ttl: (value) => (value as { ttl: number }).ttl });
      await failing.set('n', 1).catch(() => {});
      await failing.set('k', { ttl: 10_000 });
      expect(await failing.ttl('k')).to.be.within(5000, 10_000);
      await store.set('n', 1);
      const told: CacheError[] = [];
      failing.on('error', (error) => told.push(error));
      expect(await failing.getOrSet('bad', () => ({ ttl: -5 }))).to.deep.equal({ ttl: -5 });
      expect(told.map(({ code, operation }) => `${operation} ${code}`)).to.deep.equal(['getOrSet ERR_OPTION']);
      await failing.reset();
      await failing.disconnect();
    });

    unsealed('refuses to count what is not there', async () => {
      const failure = await store.incr('missing').catch((error) => error);
      expect(failure).to.be.instanceOf(MissingKeyError);
      expect(failure).to.include({ code: 'ERR_MISSING_KEY', operation: 'incr', key: 'missing' });
      expect(await store.has('missing')).to.equal(false);
    });

    unsealed('refuses to count past exact integers and leaves the value alone', async () => {
      await store.set('n', Number.MAX_SAFE_INTEGER);
      const failure = await store.incr('n').catch((error) => error);
      expect(failure).to.include({ code: 'ERR_COMMAND', operation: 'incr' });
      expect(await store.get('n')).to.equal(Number.MAX_SAFE_INTEGER);
      expect(await store.incr('new', 1, { initial: Number.MAX_SAFE_INTEGER }).catch((error) => error)).to.include({ code: 'ERR_COMMAND' });
      expect(await store.has('new')).to.equal(false);
      await store.set('text', 'five');
      expect(await store.incr('text').catch((error) => error)).to.include({ code: 'ERR_COMMAND' });
      expect(errors.splice(0)).to.have.lengthOf(3);
    });

    it('gets or sets: a value, or the result of one function call for all callers', async () => {
      expect(await store.getOrSet('v', 7)).to.equal(7);
      let calls = 0;
      const make = async (): Promise<string> => {
        calls++;
        await new Promise((resolve) => setTimeout(resolve, 20));
        return 'made';
      };
      const all = await Promise.all(Array.from({ length: 20 }, () => store.getOrSet('f', make, 10_000)));
      expect(new Set(all)).to.deep.equal(new Set(['made']));
      expect(await store.getOrSet('f', make)).to.equal('made');
      expect(calls).to.equal(1);
      expect(await store.ttl('f')).to.be.within(5000, 10_000);
    });

    it('hands the errors of the function to the caller and does not keep them', async () => {
      const boom = new Error('boom');
      expect(await store.getOrSet('k', () => Promise.reject(boom)).catch((error) => error)).to.equal(boom);
      expect(await store.getOrSet('k', () => 'fine')).to.equal('fine');
      expect(await store.getOrSet('null', () => null)).to.equal(null);
      expect(await store.getOrSet('null', () => 'second')).to.equal(null);
    });

    it('takes a value out once', async () => {
      await store.set('token', { id: 1 });
      const taken = await Promise.all([store.getAndDelete('token'), store.getAndDelete('token')]);
      expect(taken.filter((value) => value !== undefined)).to.deep.equal([{ id: 1 }]);
    });

    it('lists its keys as they were given, all or those that match', async () => {
      const names = ['user:1', 'user:2', 'user*', 'other', 'sp ace', 'üñí', ''];
      await store.mset(names.map((name) => [name, 1] as const));
      expect(await store.keys()).to.have.members(names);
      expect(await store.keys('*')).to.have.members(names);
      expect(await store.keys('user:*')).to.have.members(['user:1', 'user:2']);
      expect(await store.keys('user\\*')).to.have.members(['user*']);
      expect(await store.keys('user:[12]')).to.have.members(['user:1', 'user:2']);
      expect(await store.keys('nothing*')).to.deep.equal([]);
      const iterated = new Set<string>();
      for await (const key of store.iterate('user?*')) iterated.add(key);
      expect([...iterated]).to.have.members(['user:1', 'user:2', 'user*']);
    });

    it('deletes by pattern and counts', async () => {
      await store.mset({ 'a:1': 1, 'a:2': 2, 'b:1': 3 });
      expect(await store.delPattern('a:*')).to.equal(2);
      expect(await store.keys()).to.deep.equal(['b:1']);
    });

    it('passes 2 500 entries through every many-key form, in order', async () => {
      const keys = Array.from({ length: 2500 }, (_, i) => `k${i}`);
      await store.mset(
        keys.map((key, i) => [key, i] as const),
        60_000,
      );
      expect(await store.mget(...keys)).to.deep.equal(keys.map((_, i) => i));
      expect((await store.keys()).length).to.equal(2500);
      expect(await cacheOf(store).reader.hasMany([...keys, 'missing'])).to.deep.equal([...keys.map(() => true), false]);
      await store.mdel(...keys.slice(0, 1200));
      expect(await store.delPattern('k*')).to.equal(1300);
    });

    it('keeps versions apart and moves an entry from one to the next', async () => {
      const prefix = fresh();
      const [none, one, two] = [open({ prefix }), open({ prefix, version: 1 }), open({ prefix, version: '2' })];
      await none.set('k', 'none');
      await one.set('k', 'one', 60_000);
      await one.set('other', 1);
      expect([await none.get('k'), await one.get('k'), await two.get('k')]).to.deep.equal(['none', 'one', undefined]);
      // Engines inside the process are apart from each other anyway.
      if (options.location !== 'memory:') {
        if (setting.sealed) await Promise.all([one.del('k'), two.set('k', 'one', 60_000)]);
        else expect(await one.incrVersion('k')).to.equal(2);
        expect([await one.get('k'), await two.get('k')]).to.deep.equal([undefined, 'one']);
        expect(await two.ttl('k')).to.be.within(50_000, 60_000);
        expect(await one.incrVersion('k').catch((error) => error)).to.be.instanceOf(setting.sealed ? UnsupportedError : MissingKeyError);
        await none.clear({ version: 2 });
        expect([await none.get('k'), await one.get('other'), await two.get('k')]).to.deep.equal(['none', 1, undefined]);
        await none.reset();
        expect([await none.get('k'), await one.get('other')]).to.deep.equal([undefined, 1]);
        await none.clear({ allVersions: true });
        // What a near cache keeps goes when Redis tells it of another's change, which is soon and not at once.
        if (options.near) await until(async () => (await one.get('other')) === undefined, 1000);
        expect(await one.get('other')).to.equal(undefined);
      }
      await Promise.all([none, one, two].map((each) => each.disconnect()));
    });

    it('holds odd keys apart: glob characters, newline, NUL, lone surrogates, __proto__', async () => {
      const names = [
        '*',
        '?',
        '[a]',
        '\\',
        'a\nb',
        'a\0b',
        '__proto__',
        '\ud800',
        '\udfff',
        '\ufffd',
        ':',
        '::',
        '@1:x',
        '#u:00',
        '%3A',
        ' ',
      ];
      for (const [i, name] of names.entries()) await store.set(name, i);
      for (const [i, name] of names.entries()) expect(await store.get(name), JSON.stringify(name)).to.equal(i);
      expect(await store.keys()).to.have.members(names);
    });

    it('rejects a key that is no string', async () => {
      for (const key of [undefined, null, 1, {}] as never[]) {
        expect(await store.get(key).catch((error) => error)).to.be.instanceOf(TypeError);
        expect(await store.set(key, 1).catch((error) => error)).to.be.instanceOf(TypeError);
        expect(await store.mget('a', key).catch((error) => error)).to.be.instanceOf(TypeError);
      }
    });

    it('is ready, answers a ping, and says what it is', async () => {
      await store.ready();
      await store.ping();
      expect(store.status).to.equal('ready');
      expect(store.name).to.equal('redis');
    });
  });
}
