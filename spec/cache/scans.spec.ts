import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { type ReencodeProgress, v8Serializer } from '../../src/index.js';
import { anyLayout } from '../support/acl.js';
import { openStore, rejection } from '../support/open.js';
import type { RedisServer } from '../support/redis.js';
import { commandStats, onOwnServer, type RawClient } from '../support/wire.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes that are still in use, whatever else this process has done. */
function retained(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('the scope of a store', () => {
  let server: RedisServer;
  let redis: RawClient;
  // Some of its stores have keys as they are.
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  }, anyLayout());
  beforeEach(async () => {
    await redis.flushDb();
  });
  const open = (prefix: string, more = {}) => openStore({ location: server.location, prefix, ...more });

  it('is left by reset, clear and delPattern with every foreign key in place', async () => {
    const foreign = [
      'cach',
      'cache',
      'cacheX:1',
      'cache2:1',
      'xcache:1',
      'Cache:1',
      'cache%3A:1',
      'cache@1:1',
      'cache*:1',
      'other',
      'c[a]che:1',
    ];
    const set = async (keys: string[]) => {
      for (const key of keys) await redis.set(key, '1');
    };
    await set(foreign);
    const store = open('cache');
    await store.mset({ 1: 1, 'a:b': 2 });
    await store.reset();
    expect(await redis.keys('*')).to.have.members(foreign);
    await store.mset({ 1: 1, 'a:b': 2 });
    expect(await store.delPattern('*')).to.equal(2);
    expect(await redis.keys('*')).to.have.members(foreign);
    for (const prefix of ['cache*', 'c[a]che', 'cache?', '\\']) {
      const globbed = open(prefix);
      await globbed.set('1', 1);
      await globbed.reset();
      expect(await redis.keys('*'), prefix).to.have.members(foreign.filter((key) => key !== `${prefix}:1`));
      await set(foreign);
    }
  });

  it('holds apart what only the separator could confuse', async () => {
    const stores = ['a', 'a:b', 'a:b:c', 'a%3Ab', 'a@1'].map((prefix) => open(prefix));
    for (const [i, store] of stores.entries()) for (const key of ['k', 'b:k', 'b:c:k', '1:k']) await store.set(key, `${i} ${key}`);
    await open('a', { version: 1 }).set('k', 'versioned');
    for (const [i, store] of stores.entries()) {
      expect(await store.keys()).to.have.members(['k', 'b:k', 'b:c:k', '1:k']);
      expect(await store.get('b:k')).to.equal(`${i} b:k`);
    }
    await stores[0]?.reset();
    for (const store of stores.slice(1)) expect(await store.keys()).to.have.lengthOf(4);
    expect(await open('a', { version: 1 }).get('k')).to.equal('versioned');
  });

  it('has no version and no digests where a keyPrefix is written to the letter', () => {
    for (const beside of [{ version: 1 }, { hashLongKeys: true }]) {
      const options = { location: server.location, keyPrefix: 'a:b', ...beside };
      expect(() => openStore(options)).to.throw(
        `beside \`${Object.keys(beside)[0]}\`, or \`prefix\` instead, got \`a string of 3 characters\``,
      );
      expect(() => openStore({ ...options, keyPrefix: 'ab' })).not.to.throw();
    }
  });

  it('is the whole database where the prefix is empty, with keys as they are', async () => {
    const store = open('');
    const keys = ['plain', 'with:colon', ':first', '@at', '#hash', 'ü', '\ud800'];
    for (const key of keys) await store.set(key, key === '\ud800' ? 'lone' : key);
    expect(await redis.get('plain')).to.equal('"plain"');
    expect(await redis.get('with:colon')).to.equal('"with:colon"');
    expect(await store.keys()).to.have.members(keys);
    expect(await store.keys('[:@]*')).to.have.members([':first', '@at']);
    expect(await store.get('\ud800')).to.equal('lone');
    await redis.set('foreign:key', '1');
    await open('', { wholeDatabase: true }).reset();
    expect(await redis.dbSize()).to.equal(0);
  });

  it('is kept to by key functions of the user’s own', async () => {
    const own = {
      keyFunction: (key: string, prefix: string, version: string | undefined) => `${version}/${key}/${prefix}`,
      parseKey: (redisKey: string) => /^7\/([\s\S]*)\/p$/.exec(redisKey)?.[1],
    };
    const store = open('p', { version: 7, ...own });
    await store.mset({ a: 1, 'b/c': 2 });
    await redis.set('7/x/q', '1');
    expect(await redis.get('7/b/c/p')).to.equal('2');
    expect(await store.keys()).to.have.members(['a', 'b/c']);
    expect(await store.keys('b*')).to.deep.equal(['b/c']);
    await store.reset();
    expect(await redis.keys('*')).to.deep.equal(['7/x/q']);
    const blind = open('p', { keyFunction: own.keyFunction });
    await blind.set('k', 1);
    expect(await blind.get('k')).to.equal(1);
    for (const call of [() => blind.keys(), () => blind.reset(), () => blind.delPattern('*')]) {
      expect(await rejection(call())).to.include({ code: 'ERR_UNSUPPORTED' });
    }
  });

  it('stores long keys under a digest where asked to', async () => {
    const store = open('long', { hashLongKeys: true });
    const keys = [`${'k'.repeat(2000)}1`, `${'k'.repeat(2000)}2`, 'ü'.repeat(600), 'short'];
    for (const key of keys) await store.set(key, key.length);
    for (const key of keys) expect(await store.get(key)).to.equal(key.length);
    const redisKeys = await redis.keys('*');
    expect(redisKeys.every((redisKey) => redisKey.length < 100)).to.equal(true);
    expect(await store.keys()).to.deep.equal(['short']);
    expect(await redis.exists('long:short')).to.equal(1);
    await store.reset();
    expect(await redis.dbSize()).to.equal(0);
    const plain = open('plain');
    const long = 'x'.repeat(1 << 20);
    await plain.set(long, 1);
    expect(await plain.get(long)).to.equal(1);
    expect(await plain.keys()).to.deep.equal([long]);
  });

  for (const empty of ['reset', 'delPattern'] as const) {
    it(`empties 200 000 keys by ${empty} without KEYS and with flat memory`, async () => {
      const populate = "for i = 1, ARGV[1] do redis.call('SET', ARGV[2] .. ':key-of-a-usual-length-of-forty-bytes-' .. i, '1') end";
      await redis.eval(populate, { arguments: ['200000', 'big'] });
      await redis.eval(populate, { arguments: ['1000', 'foreign'] });
      const store = open('big', { timeout: 5000 });
      await store.ready();
      await redis.configResetStat();
      const before = retained();
      let peak = before;
      let timer: NodeJS.Timeout | undefined;
      // Each look collects all garbage, and takes longer on a busy machine: most of the time has to be left for the work. A list of keys
      // would stay until the end.
      const look = (): void => {
        const from = performance.now();
        peak = Math.max(peak, retained());
        timer = setTimeout(look, Math.max(200, 4 * (performance.now() - from)));
      };
      timer = setTimeout(look, 200);
      try {
        if (empty === 'reset') await store.reset();
        else expect(await store.delPattern('*')).to.equal(200_000);
      } finally {
        clearTimeout(timer);
      }
      expect(await redis.dbSize()).to.equal(1000);
      const stats = await commandStats(redis);
      expect(stats).not.to.have.any.keys('keys', 'flushdb', 'flushall', 'del');
      expect(stats['unlink']).to.be.below(1000);
      // The list of all keys alone would be more than 20.
      expect((peak - before) / (1 << 20), 'MiB of growth').to.be.below(10);
    });
  }

  it('is emptied of keys that are no text too', async () => {
    const bytes = Buffer.concat([Buffer.from('c:'), Buffer.from([0xff, 0xfe])]);
    await redis.set(bytes, '1');
    await redis.set('d:1', '1');
    const store = open('c');
    expect(await store.keys()).to.deep.equal([]);
    await store.reset();
    expect(await redis.keys('*')).to.deep.equal(['d:1']);
  });

  it('rewrites large values in bounded steps', async () => {
    const prefix = randomUUID();
    const old = open(prefix, { timeout: 10_000 });
    const value = Buffer.alloc(200_000, 'abc');
    for (let i = 0; i < 300; i++) await old.set(`k${i}`, value);
    global.gc?.();
    const before = process.memoryUsage().rss;
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 5);
    for await (const _ of open(prefix, { compression: 'gzip' }).reencode());
    clearInterval(timer);
    // All 300 at once are 60 MB, several times over while they are read, decoded and compressed.
    expect((peak - before) / (1 << 20), 'MiB of growth').to.be.below(150);
    expect(await open(prefix).get('k7')).to.deep.equal(value);
  });

  it('rewrites entries with the current settings, keeping their time to live, and goes on where it stopped', async () => {
    const prefix = randomUUID();
    const old = open(prefix);
    const entries = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, { i, text: 'x'.repeat(200) }]));
    await old.mset(entries, 600_000);
    await old.set('ever', { n: 1 });
    await redis.set(`${prefix}:broken`, Buffer.from([0xc1, 0x61]));
    const size = (await redis.get(`${prefix}:k1`))?.length as number;

    const now = open(prefix, { serializer: v8Serializer, compression: { algorithm: 'gzip', threshold: 100 } });
    let last: ReencodeProgress | undefined;
    for await (const progress of now.reencode()) {
      last = progress;
      if (progress.scanned > 1000) break;
    }
    expect(last?.cursor).not.to.equal('0');
    let rewritten = last?.rewritten as number;
    for await (const progress of now.reencode({ cursor: last?.cursor as string })) last = progress;
    rewritten += last?.rewritten as number;
    expect(rewritten).to.be.within(3001, 3001 + 1000);
    expect(last).to.include({ cursor: '0' });
    expect(now.errors.map(({ code, key, operation }) => ({ code, key, operation }))).to.deep.include({
      code: 'ERR_CODEC',
      key: 'broken',
      operation: 'reencode',
    });

    const stored = (await redis.withTypeMapping({ 36: Buffer }).get(`${prefix}:k1`)) as unknown as Buffer;
    expect(stored.subarray(0, 9).toString('latin1')).to.equal('\xc1v8+gzip\0');
    expect(stored.length).to.be.below(size);
    // Chai takes seconds for so many.
    expect(isDeepStrictEqual(await now.mget(...Object.keys(entries)), Object.values(entries))).to.equal(true);
    expect(await now.ttl('k1')).to.be.within(500_000, 600_000);
    expect(await now.ttl('ever')).to.equal(-1);
    // A second run finds nothing left to do.
    for await (const progress of now.reencode()) last = progress;
    expect(last?.rewritten).to.equal(0);
    expect(last?.unreadable).to.equal(1);
  });

  it('never undoes a write that comes between reading and rewriting', async () => {
    const prefix = randomUUID();
    const writer = open(prefix);
    // Rewriting stops between reading and writing until the gate opens.
    let arrived = (): void => {};
    let gate: Promise<void> = Promise.resolve();
    const compress = async (bytes: Buffer) => {
      arrived();
      await gate;
      return bytes;
    };
    const rewriter = open(prefix, { compression: { compress, decompress: (bytes: Buffer) => bytes, threshold: 0 } });
    for (let round = 0; round < 5; round++) {
      let openGate = (): void => {};
      gate = new Promise((resolve) => {
        openGate = resolve;
      });
      const reached = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      await writer.mset(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, `old ${round}`])));
      const rewriting = (async () => {
        for await (const _ of rewriter.reencode());
      })();
      await reached;
      await Promise.all(Array.from({ length: 50 }, (_, i) => writer.set(`k${i}`, `new ${round}`)));
      openGate();
      await rewriting;
      expect(new Set(await writer.mget(...Array.from({ length: 50 }, (_, i) => `k${i}`)))).to.deep.equal(new Set([`new ${round}`]));
    }
  });
});

describe('what goes over the wire', () => {
  let server: RedisServer;
  let redis: RawClient;
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  });

  it('is less than 1 KiB for has on a value of 64 MiB', async () => {
    const store = openStore({ location: server.location, prefix: 'big', timeout: 10_000 });
    await redis.sendCommand(['SETRANGE', 'big:k', String((64 << 20) - 1), 'x']);
    await store.ready();
    const moved = async () => {
      const info = await redis.info('stats');
      return ['input', 'output'].reduce((sum, way) => sum + Number(new RegExp(`total_net_${way}_bytes:(\\d+)`).exec(info)?.[1]), 0);
    };
    const idle = await moved();
    const asking = (await moved()) - idle;
    const start = await moved();
    expect(await store.has('k')).to.equal(true);
    expect((await moved()) - start - asking).to.be.within(1, 1024);
  });

  it('is one command for each call, the one that the documentation names', async () => {
    const store = openStore({ location: server.location, prefix: 'p' });
    const commandsOf = async (call: () => Promise<unknown>): Promise<Record<string, number>> => {
      await redis.configResetStat();
      await call();
      const { config_resetstat: _, 'config|resetstat': __, info: ___, ...stats } = await commandStats(redis);
      return stats;
    };
    await store.ready();
    expect(await commandsOf(() => store.set('k', 1, 1000))).to.deep.equal({ set: 1 });
    expect(await commandsOf(() => store.get('k'))).to.deep.equal({ get: 1 });
    expect(await commandsOf(() => store.mget('k', 'l'))).to.deep.equal({ mget: 1 });
    expect(await commandsOf(() => store.mset({ a: 1, b: 2 }, 1000))).to.deep.equal({ set: 2 });
    expect(await commandsOf(() => store.mdel('a', 'b'))).to.deep.equal({ unlink: 1 });
    expect(await commandsOf(() => store.has('k'))).to.deep.equal({ exists: 1 });
    expect(await commandsOf(() => store.ttl('k'))).to.deep.equal({ pttl: 1 });
    await store.touch('makes the script known');
    expect(await commandsOf(() => store.touch('k', 5000))).to.deep.equal({ evalsha: 1, getrange: 1, pexpire: 1 });
    expect(await commandsOf(() => store.persist('k'))).to.deep.equal({ persist: 1, getrange: 1 });
    expect(await commandsOf(() => store.add('n', 1))).to.deep.equal({ set: 1 });
    expect(await commandsOf(() => store.getAndDelete('n'))).to.deep.equal({ unlink: 1, getdel: 1 });
    expect(await commandsOf(() => store.ping())).to.deep.equal({ ping: 1 });
    expect(await redis.get('p:k')).to.equal('1');
  });
});
