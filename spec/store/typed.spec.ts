import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type SchemaError, type StandardSchema, v8Serializer } from '../../src/index.js';
import { openStore, rejection } from '../support/open.js';
import { until } from '../support/until.js';

interface User {
  readonly id: number;
  readonly name: string;
}

/** A schema of users that turns the text of an id into a number. `waits`: it takes time. */
function users(waits = false): StandardSchema<{ readonly id: number | string; readonly name: string }, User> {
  const validate = (value: unknown) => {
    const { id, name } = (value ?? {}) as Partial<User>;
    if (typeof name !== 'string') return { issues: [{ message: `no name: ${String(name)}`, path: ['name'] }] };
    if (Number.isNaN(Number(id))) return { issues: [{ message: 'no number', path: [{ key: 'id' }] }] };
    return { value: { id: Number(id), name } };
  };
  return { '~standard': { version: 1, vendor: 'spec', validate: (value) => (waits ? sleep(5, value).then(validate) : validate(value)) } };
}

for (const [kind, options] of Object.entries({ plain: {}, near: { near: {} }, frozen: { near: { freeze: true } } })) {
  describe(`a typed view, ${kind}`, () => {
    for (const waits of [false, true]) {
      it(`stores what is given, and returns what the schema makes of it${waits ? ', if that takes time, too' : ''}`, async () => {
        const store = openStore(options);
        const typed = store.typed({ schema: users(waits), prefix: 'user:' });
        await typed.set('1', { id: '1', name: 'Ada' });
        expect(await store.get('user:1')).to.deep.equal({ id: '1', name: 'Ada' });
        for (let i = 0; i < 3; i++) {
          expect(await typed.get('1')).to.deep.equal({ id: 1, name: 'Ada' });
          expect(await typed.mget('1', '2')).to.deep.equal([{ id: 1, name: 'Ada' }, undefined]);
          expect(await store.get('user:1')).to.deep.equal({ id: '1', name: 'Ada' });
        }
        const made = { value: { id: 2, name: 'Bob' }, tier: 'made' };
        expect(await typed.getOrSetDetailed('2', async () => ({ id: '2', name: 'Bob' }))).to.deep.equal(made);
        expect(await typed.getOrSet('2', () => ({ id: 3, name: 'unused' }))).to.deep.equal({ id: 2, name: 'Bob' });
        expect(await store.get('user:2')).to.deep.equal({ id: '2', name: 'Bob' });
        expect(store.errors).to.deep.equal([]);
      });
    }

    it('takes a stored value that does not match for a miss, and deletes it', async () => {
      const store = openStore(options);
      const typed = store.typed({ schema: users() });
      await store.set('1', { id: 1, secret: 'mark' });
      expect(await typed.get('1')).to.equal(undefined);
      await until(async () => !(await store.has('1')));
      const [error] = store.errors as SchemaError[];
      expect(error).to.include({ code: 'ERR_SCHEMA', key: '1', operation: 'get' });
      expect(error?.places).to.deep.equal(['name']);
      expect(error?.issues).to.equal(undefined);
      expect(JSON.stringify(error) + String(error)).to.not.include('mark');
      await store.set('2', 'no user');
      expect(await typed.getOrSet('2', () => ({ id: 2, name: 'Bob' }))).to.deep.equal({ id: 2, name: 'Bob' });
      expect(await store.get('2')).to.deep.equal({ id: 2, name: 'Bob' });
    });

    it('gives callers that share a load objects of their own, if the schema makes objects of texts, too', async () => {
      const store = openStore(options);
      const dates: StandardSchema<string, Date> = {
        '~standard': { version: 1, vendor: 'spec', validate: (value) => ({ value: new Date(value as string) }) },
      };
      const typed = store.typed({ schema: dates });
      for (const how of [{}, { staleFor: 1000 }]) {
        const key = JSON.stringify(how);
        const load = () => typed.getOrSet(key, () => sleep(20, '2026-01-01'), how);
        const [one, other] = await Promise.all([load(), load()]);
        expect(one).to.deep.equal(new Date('2026-01-01'));
        expect(other).to.deep.equal(one);
        expect(other).to.not.equal(one);
      }
    });

    it('takes what another process has made and does not store, if it matches', async () => {
      const shared = { ...options, isCacheable: (value: unknown) => value !== null, prefix: `typed-${Math.random()}` };
      const [one, other] = [openStore(shared), openStore(shared)];
      const schema = (refused: boolean): StandardSchema<unknown, unknown> => ({
        '~standard': {
          version: 1,
          vendor: 'spec',
          validate: (value) => (value === null && refused ? { issues: [{ message: 'null' }] } : { value: { of: value } }),
        },
      });
      for (const refused of [false, true]) {
        const made = one.getOrSet(`k${refused}`, () => sleep(150, null));
        await sleep(50);
        const typed = other.typed({ schema: schema(refused) });
        const results = await Promise.all([1, 2].map(() => typed.getOrSet(`k${refused}`, () => 'own')));
        expect(results).to.deep.equal(refused ? [{ of: 'own' }, { of: 'own' }] : [{ of: null }, { of: null }]);
        expect(results[0]).to.not.equal(results[1]);
        await made;
      }
      expect(await other.get('ktrue')).to.equal('own');
      expect(other.errors).to.deep.equal([]);
    });

    it('tells of nothing where a value needs no bytes, and once where its caller has left', async () => {
      const store = openStore({ ...options, isCacheable: () => false });
      const text: StandardSchema<unknown, { of: string }> = {
        '~standard': { version: 1, vendor: 'spec', validate: (value) => ({ value: { of: String(value) } }) },
      };
      expect(await store.typed({ schema: text }).getOrSet('b', () => 10n)).to.deep.equal({ of: '10' });
      expect(store.errors).to.deep.equal([]);
      const left = store.typed({ schema: users() }).getOrSet('m', () => sleep(100, {} as never), { hardTimeout: 40 });
      expect((await rejection(left)).code).to.equal('ERR_FACTORY_TIMEOUT');
      await until(() => store.errors.length > 1);
      await sleep(50);
      expect(store.errors.map(({ code }) => code)).to.deep.equal(['ERR_FACTORY_TIMEOUT', 'ERR_SCHEMA']);
    });

    it('fails open if a schema gives up by a signal of its own', async () => {
      const store = openStore(options);
      const asking: StandardSchema = {
        '~standard': {
          version: 1,
          vendor: 'spec',
          validate: async (value) => ({ value: await store.with({ signal: AbortSignal.abort() }).get(String(value)) }),
        },
      };
      await store.set('k', 'v');
      expect(await store.typed({ schema: asking }).get('k')).to.equal(undefined);
      expect(store.errors.map(({ code }) => code)).to.deep.equal(['ERR_CODEC']);
    });

    it('tells of a value that was to be stored and does not match, once', async () => {
      const store = openStore(options);
      for (const waits of [false, true]) {
        const typed = store.typed({ schema: users(waits) });
        store.errors.length = 0;
        const failure = await rejection(typed.set('1', { id: 1 } as never));
        expect(failure).to.include({ code: 'ERR_SCHEMA', operation: 'set', key: '1' });
        expect(store.errors).to.deep.equal([failure]);
        store.errors.length = 0;
        for (const how of [{}, { staleFor: 1000 }, { lease: false }] as const) {
          store.errors.length = 0;
          const made = await rejection(typed.getOrSet('1', () => ({ id: 1 }) as never, how));
          expect(made).to.include({ code: 'ERR_SCHEMA', operation: 'getOrSet', key: '1' });
          expect(store.errors, JSON.stringify(how)).to.deep.equal([made]);
        }
      }
    });

    it('gives callers that share a load values of their own', async () => {
      const typed = openStore(options).typed({ schema: users() });
      const make = () => sleep(30, { id: '1', name: 'Ada' });
      const [one, other] = await Promise.all([typed.getOrSet('1', make), typed.getOrSet('1', make)]);
      expect([one, other]).to.deep.equal([
        { id: 1, name: 'Ada' },
        { id: 1, name: 'Ada' },
      ]);
      expect(one).to.not.equal(other);
    });
  });
}

describe('a typed view', () => {
  it('stores nothing that does not match, and says why', async () => {
    const store = openStore();
    const typed = store.typed({ schema: users() });
    await store.set('1', { id: 1, name: 'Ada' });
    const error = (await rejection(typed.set('1', { id: 1 } as never))) as unknown as SchemaError;
    expect(error).to.include({ code: 'ERR_SCHEMA' });
    expect(error.issues?.map(({ message }) => message)).to.deep.equal(['no name: undefined']);
    expect(await typed.get('1')).to.deep.equal({ id: 1, name: 'Ada' });
    expect(await rejection(typed.getOrSet('2', () => ({ id: 'x', name: 'Bob' })))).to.include({ code: 'ERR_SCHEMA' });
    expect(await store.has('2')).to.equal(false);
  });

  it('gives what it stores its own time to live, unless the call has one', async () => {
    const store = openStore();
    const typed = store.typed({ schema: users(), ttl: 50_000 });
    await typed.set('1', { id: 1, name: 'Ada' });
    await typed.set('2', { id: 2, name: 'Bob' }, 10_000);
    await typed.getOrSet('3', () => ({ id: 3, name: 'Cem' }), { staleFor: 0 });
    expect(await typed.ttl('1')).to.be.within(40_000, 50_000);
    expect(await typed.ttl('2')).to.be.within(1, 10_000);
    expect(await typed.ttl('3')).to.be.within(40_000, 50_000);
    await typed.del('1');
    expect([await typed.has('1'), await typed.has('2')]).to.deep.equal([false, true]);
  });

  it('takes `expireAt` beside a time to live of its own', async () => {
    const typed = openStore().typed({ schema: users(), ttl: '90s' });
    await typed.set('1', { id: 1, name: 'Ada' }, { expireAt: new Date(Date.now() + 600_000) });
    expect(await typed.ttl('1')).to.be.above(300_000);
  });

  it('keeps the order of its calls, unless its schema takes time', async () => {
    const store = openStore();
    const typed = store.typed({ schema: users() });
    void typed.set('1', { id: 1, name: 'Ada' });
    await typed.del('1');
    expect(await store.get('1')).to.equal(undefined);
    void typed.set('1', { id: 2, name: 'Bob' });
    expect(await typed.get('1')).to.deep.equal({ id: 2, name: 'Bob' });
  });

  it('gives callers that share a load what the schema makes of it', async () => {
    const lengths = {
      '~standard': { version: 1, vendor: 'spec', validate: (value: unknown) => ({ value: String(value).length }) },
    } as const;
    const typed = openStore().typed({ schema: lengths as StandardSchema<string, number> });
    const make = () => sleep(20, 'hello');
    expect(await Promise.all([typed.getOrSet('k', make), typed.getOrSet('k', make)])).to.deep.equal([5, 5]);
  });

  it('gives a refresh the old value as it was stored', async () => {
    const store = openStore();
    const doubled = { '~standard': { version: 1, vendor: 'spec', validate: (value: unknown) => ({ value: 2 * Number(value) }) } } as const;
    const typed = store.typed({ schema: doubled as StandardSchema<number, number> });
    const options = { ttl: 60_000, staleFor: 60_000 };
    const seen: unknown[] = [];
    const keep = ({ stale = 1 }: { readonly stale?: number | undefined }): number => {
      seen.push(stale);
      return stale;
    };
    for (let i = 0; i < 3; i++) {
      expect(await typed.getOrSet('k', keep, options)).to.equal(2);
      await store.expire('k');
      await until(() => seen.length > i);
    }
    expect(seen).to.deep.equal([1, 1, 1]);
  });

  it('settles within the deadline if its schema does not', async () => {
    const stuck = { '~standard': { version: 1, vendor: 'spec', validate: () => new Promise<never>(() => {}) } } as const;
    const store = openStore({ timeout: 100 });
    const typed = store.typed({ schema: stuck });
    expect(await rejection(typed.set('k', 1))).to.have.property('code', 'ERR_TIMEOUT');
    await store.set('k', 1);
    expect(await typed.get('k')).to.equal(undefined);
    expect(store.errors.at(-1)).to.have.property('code', 'ERR_TIMEOUT');
    expect(await store.get('k')).to.equal(1);
  });

  it('does not delete what was written after the entry that does not match', async () => {
    const store = openStore();
    const above = (value: unknown) => (Number(value) > 10 ? { value } : { issues: [{ message: 'too small' }] });
    const typed = store.typed({ schema: { '~standard': { version: 1, vendor: 'spec', validate: (value) => sleep(50, above(value)) } } });
    await store.set('k', 1);
    const read = typed.get('k');
    await sleep(20);
    await store.set('k', 12);
    expect(await read).to.equal(undefined);
    await sleep(50);
    expect(await store.get('k')).to.equal(12);
  });

  it('works with every serializer', async () => {
    const typed = openStore({ serializer: v8Serializer, compression: { algorithm: 'gzip', threshold: 1 } }).typed({ schema: users() });
    await typed.set('1', { id: '1', name: 'Ada' });
    expect(await typed.get('1')).to.deep.equal({ id: 1, name: 'Ada' });
  });

  it('takes a schema that throws for one that does not match', async () => {
    const store = openStore();
    const broken: StandardSchema = {
      '~standard': {
        version: 1,
        vendor: 'spec',
        validate() {
          throw new Error('broken');
        },
      },
    };
    await store.set('1', 1);
    expect(await store.typed({ schema: broken }).get('1')).to.equal(undefined);
    expect(store.errors.map(({ code }) => code)).to.deep.equal(['ERR_CODEC']);
    expect(await store.has('1')).to.equal(true);
  });

  it('refuses what is no schema', () => {
    const store = openStore();
    for (const options of [
      undefined,
      {},
      { schema: {} },
      { schema: users(), prefix: 1 },
      { schema: users(), tll: 1 },
      { schema: users(), ttl: '5min' },
    ]) {
      expect(() => store.typed(options as never))
        .to.throw()
        .with.property('code', 'ERR_ARGUMENT');
    }
  });
});
