import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { openStore, rejection } from '../support/open.js';
import { until } from '../support/until.js';

describe('memoize', () => {
  it('calls the function once for the same key, and gives each caller a value of its own', async () => {
    const store = openStore();
    const calls: number[] = [];
    const userOf = store.memoize(
      (id: number) => {
        calls.push(id);
        return sleep(10, { id });
      },
      { key: (id) => `user:${id}`, ttl: 60_000 },
    );
    const [one, other] = await Promise.all([userOf(1), userOf(1)]);
    expect([one, other, await userOf(2), calls]).to.deep.equal([{ id: 1 }, { id: 1 }, { id: 2 }, [1, 2]]);
    expect(one).to.not.equal(other);
    expect(await store.get('user:1')).to.deep.equal({ id: 1 });
  });

  it('shares what it stores with every function of the same key', async () => {
    const store = openStore();
    const first = store.memoize(async (name: string) => `first ${name}`, { key: (name) => name });
    const second = openStore({ prefix: store.source.prefix }).memoize(async (name: string) => `second ${name}`, { key: (name) => name });
    expect([await first('a'), await second('a')]).to.deep.equal(['first a', 'first a']);
  });

  it('invalidates a result, and makes it anew', async () => {
    const store = openStore();
    let calls = 0;
    const count = store.memoize((from: number) => from + ++calls, { key: (from) => `count:${from}` });
    expect([await count(10), await count(10)]).to.deep.equal([11, 11]);
    await count.invalidate(10);
    expect(await count(10)).to.equal(12);
    expect([await count.refresh(10), await count(10)]).to.deep.equal([13, 13]);
  });

  it('passes `this` on, as methods need', async () => {
    const store = openStore();
    class Users {
      readonly prefix = 'user';
      readonly nameOf = store.memoize(
        function (this: Users, id: number) {
          return `${this.prefix} ${id}`;
        } as (id: number) => string,
        { key: (id) => `name:${id}` },
      );
    }
    const users = new Users();
    expect([await users.nameOf(1), await users.nameOf.call(users, 2)]).to.deep.equal(['user 1', 'user 2']);
  });

  it('gives `refresh` no other `this` than the one that it is called with', async () => {
    const base = { offset: 40, of: openStore().memoize(offsetBy, { key: (n) => `offset ${n}` }) };
    function offsetBy(this: { offset: number } | undefined, n: number): number {
      if (this === undefined) throw new Error('no `this`');
      return this.offset + n;
    }
    expect(await base.of(2)).to.equal(42);
    expect((await rejection(base.of.refresh(2))).message).to.equal('no `this`');
    base.offset = 50;
    expect(await base.of.refresh.call(base, 2)).to.equal(52);
    expect(await base.of(2)).to.equal(52);
  });

  it('takes the options of getOrSet, and tags that depend on the arguments', async () => {
    const store = openStore({ tags: true });
    let calls = 0;
    const postsOf = store.memoize((user: number) => `posts of ${user}, ${++calls}`, {
      key: (user) => `posts:${user}`,
      tags: (user) => [`user:${user}`],
      ttl: 60_000,
      staleFor: 60_000,
    });
    expect([await postsOf(1), await postsOf(2)]).to.deep.equal(['posts of 1, 1', 'posts of 2, 2']);
    await store.invalidateTags(['user:1']);
    await until(async () => (await postsOf(1)) === 'posts of 1, 3');
    expect(await postsOf(2)).to.equal('posts of 2, 2');
  });

  it('rejects, and does not throw, if the key function fails', async () => {
    const failure = new Error('no key');
    const broken = openStore().memoize((id: number) => id, {
      key() {
        throw failure;
      },
    });
    for (const call of [() => broken(1), () => broken.refresh(1), () => broken.invalidate(1)]) {
      expect(await call().catch((error: unknown) => error)).to.equal(failure);
    }
  });

  it('refuses wrong options at once', () => {
    const store = openStore();
    const wrong: readonly unknown[][] = [
      ['no function', { key: String }],
      [(id: number) => id, {}],
      [(id: number) => id],
      [(id: number) => id, { key: String, tll: 1 }],
      [(id: number) => id, { key: String, staleFor: -1 }],
      [(id: number) => id, { key: String, fresh: true }],
    ];
    for (const [fn, options] of wrong) {
      expect(() => store.memoize(fn as never, options as never))
        .to.throw()
        .with.property('code', 'ERR_ARGUMENT');
    }
  });
});
