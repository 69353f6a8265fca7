import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import * as keyv5 from 'keyv';
import * as keyv4 from 'keyv4';
import * as keyv6 from 'keyv6';
import type { KeyvModule } from '../../src/keyv/contract.js';
import { createKeyvOf } from '../../src/keyv/create-keyv.js';
import { type KeyvRedisOptions, KeyvRedisStore } from '../../src/keyv.js';
import type { Setting } from '../support/settings.js';
import { until } from '../support/until.js';

/** What the majors have in common, as far as a user of Keyv sees it. */
interface AnyKeyv {
  get(key: string): Promise<unknown>;
  get(keys: string[]): Promise<unknown[]>;
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  setMany?(entries: { key: string; value: unknown; ttl?: number }[]): Promise<boolean[]>;
  has(key: string): Promise<boolean>;
  hasMany?(keys: string[]): Promise<boolean[]>;
  delete(key: string): Promise<boolean>;
  delete(keys: string[]): Promise<boolean | boolean[]>;
  clear(): Promise<void>;
  disconnect(): Promise<void>;
  iterator(namespace?: string): AsyncGenerator<[string, unknown]>;
  on(event: 'error', listener: (error: unknown) => void): unknown;
}

export const majors = {
  '4.5.4': keyv4,
  '5.6.0': keyv5,
  '6.1.0': keyv6,
} as unknown as Record<string, KeyvModule>;

/** How a Keyv comes to be. */
const makers = {
  createKeyv: (keyv: KeyvModule, options: KeyvRedisOptions) => createKeyvOf(keyv, options) as AnyKeyv,
  'new Keyv with the adapter': (keyv: KeyvModule, { namespace, ...options }: KeyvRedisOptions) => {
    const Keyv = keyv.Keyv ?? keyv.default;
    return new Keyv({ store: new KeyvRedisStore(options), namespace }) as AnyKeyv;
  },
};

/** A major of Keyv, and how its Keyv comes to be. */
export interface KeyvFace {
  readonly version: string;
  readonly how: keyof typeof makers;
}

export const keyvFaces: readonly KeyvFace[] = Object.keys(majors).flatMap((version) =>
  (Object.keys(makers) as KeyvFace['how'][]).map((how) => ({ version, how })),
);

const values = [null, 0, '', false, 'text', ':colon', [1, { a: null }], { nested: { deep: true } }, Buffer.from([0xff, 0x00, 0xfe])];

export function keyvContract({ version, how }: KeyvFace, setting: Setting): void {
  const make = makers[how];
  describe(`Keyv ${version} contract by ${how}: ${setting.title}`, () => {
    const keyv = majors[version] as KeyvModule;
    let options: KeyvRedisOptions;
    let cache: AnyKeyv;
    const opened: AnyKeyv[] = [];
    const errors: unknown[] = [];
    const open = (namespace: string, more: KeyvRedisOptions = {}): AnyKeyv => {
      const made = make(keyv, { ...options, namespace, ...more });
      made.on('error', (error) => errors.push(error));
      opened.push(made);
      const { store, opts } = made as unknown as { store?: KeyvRedisStore; opts: { store: KeyvRedisStore } };
      const adapter = store ?? opts.store;
      return Object.assign(made, { left: (key: string) => KeyvRedisStore.internalsOf(adapter).cache.reader.ttl(key) });
    };

    before(async () => {
      options = { timeout: 10_000, ...(await setting.options()) };
    });
    after(() => setting.after?.());
    beforeEach(() => {
      cache = open((setting.scope ?? '') + randomUUID());
    });
    afterEach(async () => {
      for (const each of opened.splice(0)) {
        await each.clear();
        await each.disconnect();
      }
      expect(errors.splice(0)).to.deep.equal([]);
    });

    it('gives back what was set, bytes included', async () => {
      for (const [i, value] of values.entries()) {
        expect(await cache.set(`k${i}`, value)).to.equal(true);
        expect(await cache.get(`k${i}`), `value ${i}`).to.deep.equal(value);
      }
      expect(await cache.get(values.map((_, i) => `k${i}`))).to.deep.equal(values);
      expect(await cache.get('missing')).to.equal(undefined);
      expect(await cache.get(['missing', 'k1'])).to.deep.equal([undefined, 0]);
    });

    it('expires in milliseconds, in Redis as in Keyv', async () => {
      await cache.set('timed', 1, 60_000);
      await cache.set('short', 1, 30);
      await cache.set('ever', 1);
      const left = (key: string) => (cache as unknown as { left(key: string): Promise<number> }).left(key);
      expect(await left('timed'), 'in Redis').to.be.within(50_000, 60_000);
      expect(await left('short'), 'in Redis').to.be.at.most(30);
      expect(await left('ever'), 'in Redis').to.equal(-1);
      await cache.setMany?.([{ key: 'many', value: 1, ttl: 60_000 }]);
      if (cache.setMany) expect(await left('many'), 'in Redis').to.be.within(50_000, 60_000);
      await until(async () => !(await cache.has('short')), 5000);
      expect(await cache.get('short')).to.equal(undefined);
      expect(await cache.get('timed')).to.equal(1);
      expect(await cache.get('ever')).to.equal(1);
    });

    it('tells presence and deletes, one and many', async () => {
      await cache.set('a', 1);
      await cache.set('b', 2);
      expect([await cache.has('a'), await cache.has('missing')]).to.deep.equal([true, false]);
      expect(await cache.delete('a')).to.equal(true);
      expect(await cache.delete('a')).to.equal(false);
      expect(await cache.has('a')).to.equal(false);
      const many = await cache.delete(['b', 'missing']);
      expect(many).to.deep.equal(version.startsWith('6') ? [true, false] : true);
      expect(await cache.get('b')).to.equal(undefined);
    });

    it('has the many-key forms where Keyv has them', async () => {
      if (cache.setMany === undefined || cache.hasMany === undefined) return;
      const stored = await cache.setMany([
        { key: 'a', value: 1, ttl: 60_000 },
        { key: 'b', value: { c: 2 } },
      ]);
      expect(stored).to.deep.equal([true, true]);
      expect(await cache.get(['a', 'b'])).to.deep.equal([1, { c: 2 }]);
      expect(await cache.hasMany(['a', 'missing', 'b'])).to.deep.equal([true, false, true]);
    });

    it('iterates over its own entries', async () => {
      await cache.set('a', 1);
      await cache.set('b:c', { d: 2 });
      const found = new Map<string, unknown>();
      for await (const [key, value] of cache.iterator()) found.set(key, value);
      expect(Object.fromEntries(found)).to.deep.equal({ a: 1, 'b:c': { d: 2 } });
    });

    it('never sees the keys of another namespace: a prefix of its own, glob characters, separators', async () => {
      if (options.location === 'memory:') return;
      const base = (setting.scope ?? '') + randomUUID();
      const names = [base, `${base}Abc`, `${base}?`, `${base}*`, `${base}[a]`, `${base}:`, `${base}::`, `${base}:x`, `${base}%3A`];
      const caches = names.map((name) => open(name));
      for (const [i, each] of caches.entries()) {
        await each.set('k', i);
        await each.set(':k', `${i} colon`);
      }
      for (const [i, each] of caches.entries()) {
        expect(await each.get('k'), names[i]).to.equal(i);
        expect(await each.get(':k'), names[i]).to.equal(`${i} colon`);
      }
      await caches[0]?.clear();
      expect(await caches[0]?.get('k')).to.equal(undefined);
      for (const [i, each] of caches.slice(1).entries()) expect(await each.get('k'), names[i + 1]).to.equal(i + 1);
      await caches[3]?.clear();
      expect(await caches[1]?.get('k')).to.equal(1);
    });
  });
}
