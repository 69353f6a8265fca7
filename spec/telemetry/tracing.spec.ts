import { type ChannelListener, channel, tracingChannel } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { type CommandTrace, ConnectionError, type LoadTrace, type RedisStore, redisStore, TimeoutError } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { commandChannel, isLoadTraced, isTraced } from '../../src/telemetry/events.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { closing, openStore, rejection, untilReady } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

/** What is told of one event of the channel, until the spec ends. */
function subscribe<T = CommandTrace>(event: 'start' | 'asyncEnd' | 'error' = 'asyncEnd', name = commandChannel): T[] {
  const told: T[] = [];
  const listener: ChannelListener = (context) => told.push(context as T);
  channel(`tracing:${name}:${event}`).subscribe(listener);
  subscribed.push(() => channel(`tracing:${name}:${event}`).unsubscribe(listener));
  return told;
}
const subscribed: (() => void)[] = [];

/** Of this store: others in the process may have work in the background. */
const of = (store: Pick<RedisStore, 'source'>, told: readonly CommandTrace[]): CommandTrace[] =>
  told.filter(({ source }) => source === store.source);

/** The parts of a context that say what happened. */
const brief = ({ command, key, keys, hit, hits }: CommandTrace): unknown[] => [command, key, keys, hit, hits];

describe('tracing channels', () => {
  afterEach(() => {
    for (const end of subscribed.splice(0)) end();
    expect([isTraced(), isLoadTraced()]).to.deep.equal([false, false]);
  });

  it('tells of three commands for a value that getOrSet makes', async () => {
    const store = openStore();
    const told = subscribe();
    expect(await store.getOrSet('a', () => 1)).to.equal(1);
    expect(of(store, told).map(brief)).to.deep.equal([
      ['GET', 'a', 1, false, 0],
      ['EVALSHA', undefined, 1, undefined, undefined],
      ['EVALSHA', 'a', 1, undefined, undefined],
    ]);
  });

  it('tells of what is sent, and of nothing that the near tier answers', async () => {
    const store = openStore({ near: {} });
    const told = subscribe();
    // Reads are kept once the server tracks the connection.
    for (let asked = -1; told.length > asked; ) {
      asked = told.length;
      await store.mget('a', 'b');
    }
    told.length = 0;
    await store.get('a');
    await store.mget('a', 'b');
    await store.has('a');
    await cacheOf(store).reader.hasMany(['a', 'b']);
    expect(told).to.deep.equal([]);
    // What is to be kept is asked for with the time that it has left.
    await store.mget('a', 'c');
    expect(told.map(brief)).to.have.deep.members([
      ['MGET', 'c', 1, false, 0],
      ['PTTL', 'c', 1, undefined, undefined],
    ]);
    told.length = 0;
    await store.has('d');
    await store.get('e');
    await store.getOrSet('a', () => 1, { lease: false });
    await store.getOrSet('a', () => 2, { lease: false });
    // It asks for the time that is left once it has the value, and does not wait for it.
    await until(() => told.some(({ command, key }) => command === 'PTTL' && key === 'a'));
    await store.getOrSet('a', () => 3, { lease: false });
    expect(told.map(({ command, key }) => [command, key])).to.have.deep.members([
      ['PTTL', 'd'],
      ['GET', 'e'],
      ['PTTL', 'e'],
      ['SET', 'a'],
      ['GET', 'a'],
      ['PTTL', 'a'],
    ]);
  });

  it('tells of the commands that ask for tags', async () => {
    const told = subscribe();
    const tagged = openStore({ tags: true });
    await tagged.set('a', 1, { tags: ['t'] });
    await tagged.get('a');
    await tagged.has('a');
    await tagged.invalidateTags(['t']);
    expect(of(tagged, told).map(({ command, key }) => [command, key])).to.deep.equal([
      ['EVALSHA', undefined],
      ['SET', 'a'],
      ['GET', 'a'],
      ['GET', undefined],
      ['EXISTS', 'a'],
      ['GETRANGE', 'a'],
      ['GET', undefined],
      ['UNLINK', undefined],
    ]);
  });

  it('tells of each command of a store: its key, and whether it was found', async () => {
    const store = openStore({ version: 1 });
    const told = subscribe();
    await store.set('a', 1);
    await store.get('a');
    await store.get('b');
    await store.mget('a', 'b', 'a');
    await store.has('a');
    await store.ttl('a');
    await store.incr('a');
    await store.touch('a', 1000);
    await store.mset({ b: 1, c: 2 });
    await store.getAndDelete('b');
    await store.del('a');
    await store.mdel('a', 'c');
    await store.set('a', 1);
    await store.incrVersion('a');
    expect(of(store, told).map(brief)).to.deep.equal([
      ['SET', 'a', 1, undefined, undefined],
      ['GET', 'a', 1, true, 1],
      ['GET', 'b', 1, false, 0],
      ['MGET', undefined, 3, undefined, 2],
      ['EXISTS', 'a', 1, true, 1],
      ['PTTL', 'a', 1, undefined, undefined],
      ['INCRBY', 'a', 1, undefined, undefined],
      ['PEXPIRE', 'a', 1, undefined, undefined],
      ['SET', undefined, 2, undefined, undefined],
      ['GETDEL', 'b', 1, true, 1],
      ['UNLINK', 'a', 1, undefined, undefined],
      ['UNLINK', undefined, 2, undefined, undefined],
      ['SET', 'a', 1, undefined, undefined],
      ['GETRANGE', 'a', 1, undefined, undefined],
      ['RENAME', 'a', 1, undefined, undefined],
    ]);
  });

  it('gives one context to all events of a command, which says which store it was', async () => {
    const [one, other] = [openStore(), openStore()];
    const started = subscribe('start');
    const ended = subscribe();
    await Promise.all([one.get('a'), other.get('a')]);
    expect(started).to.have.length(2);
    expect(ended).to.have.members(started);
    expect(started[0]?.source).to.equal(one.source);
    expect(started[1]?.source).to.equal(other.source);
    const [address, port] = sharedServer().location.split(':');
    expect(one.source).to.deep.include({ face: 'store', address, port: Number(port), database: 0 });
  });

  it('tells of failures, those that become a miss included', async () => {
    const store = openStore({ location: `127.0.0.1:${await freePort()}` });
    const failed = subscribe('error');
    const ended = subscribe();
    expect(await store.get('a')).to.equal(undefined);
    expect(ended).to.deep.equal(failed);
    expect(failed[0]?.error).to.be.instanceOf(ConnectionError);
    expect(failed[0]).not.to.have.any.keys('hit', 'hits');
  });

  it('tells of a deadline', async () => {
    const server = await RedisServer.start();
    try {
      const store = openStore({ location: server.location, timeout: 100 });
      await untilReady(store);
      const failed = subscribe('error');
      server.freeze();
      await store.get('late');
      // What others of this process are told of comes over the same channel.
      expect(failed.find(({ key }) => key === 'late')?.error).to.be.instanceOf(TimeoutError);
    } finally {
      server.thaw();
      await server.stop();
    }
  });

  it('changes neither answers nor their order', async () => {
    const store = openStore({ compression: { algorithm: 'gzip', threshold: 0 } });
    subscribe();
    const big = 'x'.repeat(100_000);
    const answers = await Promise.all([store.set('k', big), store.get('k'), store.del('k'), store.get('k'), store.mset({ k: 1 })]);
    expect(answers).to.deep.equal([true, big, undefined, undefined, undefined]);
    expect(await store.mget('k', 'l')).to.deep.equal([1, undefined]);
    expect(await store.keys()).to.deep.equal(['k']);
  });

  it('holds no value and no password', async () => {
    const server = await RedisServer.start(['--requirepass', 'sesame']);
    try {
      const told = [subscribe('start'), subscribe(), subscribe('error')];
      const [, port] = server.location.split(':');
      for (const location of [`redis://:sesame@127.0.0.1:${port}/2`, `redis://:sesame-not@127.0.0.1:${port}`]) {
        const store = closing(redisStore({ location }));
        await store.set('k', 'open-value');
        await store.get('k');
        await store.mget('k', 'l');
      }
      const all = told.flat();
      expect(all.some(({ error }) => error !== undefined)).to.equal(true);
      expect(all[0]?.source.database).to.equal(2);
      expect(inspect(all, { depth: 20, showHidden: true })).not.to.match(/sesame|open-value/);
      for (const context of all as { result?: unknown }[]) expect(context.result).to.equal(undefined);
    } finally {
      await server.stop();
    }
  });

  it('names the keys of the namespace under Keyv', async () => {
    const adapter = closing(new KeyvRedisStore({ location: sharedServer().location, namespace: 'traced' }));
    const told = subscribe();
    await adapter.get('a');
    expect(told.map(brief)).to.deep.equal([['GET', 'a', 1, false, 0]]);
    expect(told[0]?.source.face).to.equal('keyv');
  });

  it('tells of the calls of functions given to getOrSet, on a channel of their own', async () => {
    const store = openStore();
    const started = subscribe<LoadTrace>('start', 'redis-tier:load');
    const ended = subscribe<LoadTrace>('asyncEnd', 'redis-tier:load');
    const failed = subscribe<LoadTrace>('error', 'redis-tier:load');
    const making = store.getOrSet('a', async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect([started.length, ended.length]).to.deep.equal([1, 0]);
      return 'secret value';
    });
    expect(await making).to.equal('secret value');
    await store.getOrSet('a', () => 'not called');
    await store.getOrSet('b', 'no function');
    const broken = new Error('broken');
    const fails = (): never => {
      throw broken;
    };
    expect(await rejection(store.getOrSet('c', fails))).to.equal(broken);
    const old = { ttl: 1, staleFor: 60_000, softTimeout: 1_000 };
    await store.getOrSet('d', () => 1, old);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await store.getOrSet('d', async () => 2, old);
    expect(ended).to.deep.equal(started);
    expect(ended.map(({ key, renewal, error }) => [key, renewal, error])).to.deep.equal([
      ['a', false, undefined],
      ['c', false, broken],
      ['d', false, undefined],
      ['d', true, undefined],
    ]);
    for (const { source } of ended) expect(source).to.equal(store.source);
    expect(failed).to.deep.equal([ended[1]]);
    expect(inspect(ended, { depth: 20, showHidden: true })).not.to.include('secret');
    expect(store.stats().loads).to.equal(4);
  });

  it('can be had by its name alone', async () => {
    const seen: string[] = [];
    const handlers = { start: (context: unknown) => seen.push((context as CommandTrace).command) };
    const named = tracingChannel('redis-tier:command');
    named.start.subscribe(handlers.start);
    await openStore().get('a');
    named.start.unsubscribe(handlers.start);
    expect(seen).to.deep.equal(['GET']);
  });
});
