import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { main as cacheManager5 } from '../examples/cache-manager-5.js';
import { main as cacheManager7 } from '../examples/cache-manager-7.js';
import { main as cluster } from '../examples/cluster.js';
import { main as coherentMemory } from '../examples/coherent-memory.js';
import { main as counters } from '../examples/counters.js';
import { main as customSerializer } from '../examples/custom-serializer.js';
import { main as demo } from '../examples/demo.js';
import { main as encryption } from '../examples/encryption.js';
import { main as express } from '../examples/express.js';
import { main as failure } from '../examples/failure.js';
import { main as fastify } from '../examples/fastify.js';
import { main as got } from '../examples/got.js';
import { main as keyv } from '../examples/keyv.js';
import { main as lock } from '../examples/lock.js';
import { main as manyKeys } from '../examples/many-keys.js';
import { main as memoize } from '../examples/memoize.js';
import { main as metrics } from '../examples/metrics.js';
import { main as nearCache } from '../examples/near-cache.js';
import { main as nestjs } from '../examples/nestjs.js';
import { main as poolClass } from '../examples/pool-class.js';
import { main as sessions } from '../examples/sessions.js';
import { main as staleWhileRevalidate } from '../examples/stale-while-revalidate.js';
import { main as stampede } from '../examples/stampede.js';
import { main as tagged } from '../examples/tags.js';
import { main as tls } from '../examples/tls.js';
import { main as typed } from '../examples/typed.js';
import { main as unixSocket } from '../examples/unix-socket.js';
import { main as warm } from '../examples/warm.js';
import { type ExampleServers, startExampleServers } from './support/example-servers.js';
import { sharedServer } from './support/hooks.js';
import { type RawClient, rawClient } from './support/wire.js';

const root = join(__dirname, '..');
const names = readdirSync(join(root, 'examples'))
  .filter((name) => name.endsWith('.ts'))
  .sort();

describe('examples', () => {
  let raw: RawClient;
  let servers: ExampleServers;
  const { log } = console;

  before(async () => {
    raw = await rawClient(sharedServer());
    servers = await startExampleServers();
  });
  after(async () => {
    raw.destroy();
    await servers.stop();
  });
  beforeEach(() => {
    console.log = () => {};
  });
  afterEach(() => {
    console.log = log;
  });

  /** What `main` gives, twice: what one run leaves in Redis must not change what the next one shows. */
  async function run<T>(main: (location: string) => Promise<T>, location = sharedServer().location): Promise<T> {
    await main(location);
    return main(location);
  }

  it('cache-manager-5: a memory tier answers first, and Redis answers those whose memory is empty', async () => {
    const { greeting, ttl, loads, names, left } = await run(cacheManager5);
    expect(greeting).to.deep.equal({ hello: 'world' });
    expect(ttl).to.be.within(1, 5_000);
    expect(loads).to.equal(1);
    expect(names).to.deep.equal(['Ada', 'Ada, from Redis']);
    expect(left).to.deep.equal(['greeting']);
  });

  it('cache-manager-7: wrap calls once for both caches, and del reaches Redis', async () => {
    const { loads, users, many, deleted } = await run(cacheManager7);
    expect(loads).to.equal(1);
    expect(users).to.deep.equal(Array(3).fill({ id: '1', name: 'Ada', load: 1 }));
    expect(many).to.deep.equal([1, [2, 3], undefined]);
    expect(deleted).to.equal(undefined);
  });

  it('keyv: namespaces are apart, entries expire, and iteration gives what is left', async () => {
    expect(await run(keyv)).to.deep.equal({
      pair: [{ name: 'Ada' }, 42],
      expired: undefined,
      many: [{ name: 'Edsger' }, { name: 'Barbara' }, undefined],
      names: ['1: Ada', '3: Edsger', '4: Barbara'],
      existed: true,
      has: false,
    });
    expect(await raw.pTTL('example-users::3')).to.be.within(1, 60_000);
    expect(await raw.pTTL('example-orders::1')).to.equal(-1);
  });

  it('nestjs: the second response comes from the cache, until a write deletes it', async () => {
    const { seen } = await run(nestjs);
    expect(seen).to.deep.equal([
      'MISS {"users":["Ada","Grace"],"count":2}',
      'HIT {"users":["Ada","Grace"],"count":2}',
      '{"name":"Ada","of":2}',
      'MISS {"users":["Ada","Grace","Edsger"],"count":3}',
      '{"name":"Ada","of":3}',
      '{"redis":"up"}',
    ]);
    expect(await raw.exists('example-nest::/users')).to.equal(1);
  });

  it('got: the second response comes from the cache, and without Redis no request fails', async () => {
    const { cached, direct, told } = await run(got);
    expect(cached).to.deep.equal([{ answer: 1 }, { answer: 1 }]);
    expect(direct).to.deep.equal([{ answer: 2 }, { answer: 3 }]);
    expect(told).to.include('ERR_CONNECTION');
  });

  for (const [name, main] of Object.entries({ express, fastify })) {
    it(`${name}: the second response comes from the cache, a write deletes it, and a 404 is not cached`, async () => {
      const { seen } = await run(main);
      expect(seen).to.deep.equal([
        '200 MISS {"id":"1","title":"Hello"}',
        '200 HIT {"id":"1","title":"Hello"}',
        '200 MISS {"id":"1","title":"Changed"}',
        '404 MISS {"error":"no such article"}',
        '404 MISS {"error":"no such article"}',
      ]);
      expect(await raw.pTTL(`example-${name}:article:1`)).to.be.within(1, 60_000);
    });
  }

  it('sessions: a read prolongs the session, and a change of it does not', async () => {
    const { user, left, kept, prolonged, gone } = await run(sessions);
    expect([user, gone]).to.deep.equal(['Ada', undefined]);
    expect(left).to.be.within(20 * 60_000, 30 * 60_000);
    expect(kept).to.be.within(4 * 60_000, 5 * 60_000);
    expect(prolonged).to.be.within(100 * 60_000, 120 * 60_000);
  });

  it('typed: neither process of a deploy sees a value of the other’s type', async () => {
    const { year, seen, refused, failures } = await run(typed);
    expect([year, seen, refused]).to.deep.equal([1815, undefined, 'ERR_SCHEMA']);
    expect(failures).to.deep.equal(['ERR_SCHEMA', 'ERR_SCHEMA']);
  });

  it('many-keys: what is missing is asked for in one query, and a key that does not exist fails alone', async () => {
    const { queries, names, loaded } = await run(manyKeys);
    expect(queries).to.deep.equal([
      ['user:1', 'user:2'],
      ['user:3', 'user:4'],
    ]);
    expect(names).to.deep.equal(['Ada', 'Grace', 'Edsger', 'Error: there is no user:4']);
    expect(loaded).to.deep.equal(['Grace', 'Edsger']);
  });

  it('memoize: a result is made once, until it is invalidated or refreshed, and a route says where its answer came from', async () => {
    const { totals, tiers } = await run(memoize);
    expect(totals).to.deep.equal([41, 41, 42, 43]);
    expect(tiers).to.deep.equal(['made', 'redis']);
  });

  it('warm: a job that was stopped makes the rest when it is started anew', async () => {
    const { progress, before, made } = await run(warm);
    expect(progress).to.deep.equal([500, 1000, 500, 1000, 1500, 2000, 2500]);
    expect([before, made]).to.deep.equal([1000, 2500]);
  });

  it('counters: the limit holds, a message is new once, and a token is redeemed once', async () => {
    const { calls, windowLeft, first, redeemed } = await run(counters);
    expect(calls).to.deep.equal([true, true, true, false, false]);
    expect(windowLeft).to.be.within(1, 10_000);
    expect(first).to.deep.equal([true, false, true]);
    expect(redeemed).to.deep.equal([{ user: 'ada' }, undefined]);
  });

  it('tags: a change reaches all that depends on it, in both stores, and nothing else', async () => {
    const { before, after, asked, cleared, swept } = await run(tagged);
    expect(before).to.equal('apple 30, bean 10');
    expect(after).to.deep.equal(['apple 35, bean 10', { id: 1, name: 'apple', price: 35 }, { id: 2, name: 'bean', price: 10 }]);
    expect(asked).to.equal(5);
    expect([cleared, swept]).to.deep.equal([[undefined, undefined, undefined], []]);
  });

  it('stampede: one call for three hundred callers, a deletion that wins, and one at a time under the lock', async () => {
    expect(await run(stampede)).to.deep.equal({ answers: 300, same: true, calls: 1, given: 'old price', kept: undefined, most: 1 });
  });

  it('stale-while-revalidate: the old value at once, the new one later, and the old one while the source is down', async () => {
    expect(await run(staleWhileRevalidate)).to.deep.equal({
      first: 'news 1',
      second: 'news 1',
      plain: undefined,
      third: 'news 2',
      expired: { value: 'news 2', tier: 'stale' },
      renewed: 'news 3',
      during: Array(5).fill('news 3'),
      attempts: 1,
      failures: ['ERR_REFRESH: the function failed in the background'],
    });
  });

  it('custom-serializer: what JSON cannot hold comes back, smaller where it is compressed, and only to its serializer', async () => {
    const { report, read, bytes, errors } = await run(customSerializer, servers.free.location);
    expect(read).to.deep.equal({ plain: report, small: report, other: undefined });
    expect(bytes.plain).to.be.greaterThan(8_000);
    expect(bytes.small).to.be.within(1, 1_000);
    expect(errors).to.have.length(1);
    expect(errors[0]).to.include('superjson');
  });

  it('metrics: numbers, keys asked for in vain, and commands with their keys', async () => {
    const { asked, commands, metrics: text } = await run(metrics);
    expect(asked).to.deep.equal([
      ['user:2', 3],
      ['user:1', 1],
    ]);
    expect(commands).to.deep.equal(['MGET 2 keys', 'SET user:2']);
    expect(text.split('\n')).to.include.members([
      'cache_reads_total{result="hit"} 3',
      'cache_reads_total{result="miss"} 4',
      'cache_failures_total 0',
    ]);
  });

  it('pool-class: each pool opens as many connections as it was told to', async () => {
    const opened = async (): Promise<number> => Number(/total_connections_received:(\d+)/.exec(await raw.info('stats'))?.[1]);
    const before = await opened();
    const { answers, lent } = await poolClass(sharedServer().location);
    expect((await opened()) - before).to.equal(4 + 3 + 2);
    for (const name of ['roundRobin', 'blocking', 'own']) {
      expect(answers[name]).to.deep.equal(['a', 'b', 'c', 'd'].map((key) => `${name} ${key}`));
    }
    expect(lent).to.deep.equal([0, 1, 0, 1, 0, 0, 0, 0]);
  });

  it('near-cache: hits cost no round trip, changes elsewhere are told, and its own are seen at once', async () => {
    expect(await run(nearCache)).to.deep.equal({ faster: true, shared: true, told: 'Grace', own: 'Edsger', gone: false });
  });

  it('coherent-memory: memory answers, and drops what another process writes and deletes', async () => {
    expect(await run(coherentMemory)).to.deep.equal({
      kept: { name: 'Ada' },
      dropped: undefined,
      told: { name: 'Grace' },
      gone: undefined,
    });
  });

  it('lock: one at a time, an error where it is held, and a number that tells of a holder that was replaced', async () => {
    expect(await run(lock)).to.deep.equal({
      most: 1,
      refused: 'ERR_LOCK_HELD',
      accepted: [true, false],
      held: false,
      told: 'ERR_LOCK_LOST',
    });
  });

  it('failure: reads are misses in time, deletions reject, the function runs, and the breaker opens', async () => {
    const { codes, ...seen } = await run(failure);
    expect(seen).to.deep.equal({ read: undefined, inTime: true, made: 'Ada', refused: 'ERR_TIMEOUT' });
    expect([...codes]).to.include.members(['ERR_TIMEOUT', 'ERR_BREAKER_OPEN']);
  });

  it('encryption: no value is readable without the key, and none is missed while keys change', async () => {
    const ada = { name: 'Ada' };
    expect(await run(encryption)).to.deep.equal({ unread: undefined, read: ada, moved: ada, old: undefined, errors: ['ERR_CODEC'] });
  });

  it('cluster: keys of many slots at once, in their order', async () => {
    const urls = servers.clusterUrls;
    await cluster(urls);
    expect(await cluster(urls)).to.deep.equal({
      names: ['Ada', 'Grace', 'Edsger', 'Barbara'],
      total: 4,
      keys: ['user:0', 'user:1', 'user:2', 'user:3', 'visits'],
      left: ['user:3', 'visits'],
      status: 'ready',
    });
  });

  it('demo: computes each answer once while it is kept, watched or not', async () => {
    const watched = { location: servers.free.url, about: 'the specs’ Redis', watch: true };
    for (const where of [sharedServer().url, watched, 'memory:']) expect(await demo(where)).to.deep.equal({ computed: 7 });
  });

  it('unix-socket: the connection is one over the socket', async () => {
    const { greeting, status, clientAddress } = await run(unixSocket, servers.free.unixSocket);
    expect(greeting).to.equal('hello over a unix socket');
    expect(status).to.equal('ready');
    expect(clientAddress).to.equal(`${servers.free.unixSocket}:0`);
  });

  it('tls: connects with the private authority, and not without it', async () => {
    const { greeting, refused } = await run((location) => tls(location, servers.files), servers.secureUrl);
    expect(greeting).to.equal('hello over TLS');
    expect(refused).to.match(/certificate/);
  });

  it('are all in the README', () => {
    const readme = readFileSync(join(root, 'examples', 'README.md'), 'utf8');
    const listed = [...readme.matchAll(/\]\(([\w-]+\.ts)\)/g)].map(([, name]) => name as string);
    expect(listed.sort()).to.deep.equal(names);
  });
});
