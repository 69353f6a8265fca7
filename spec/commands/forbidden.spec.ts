import { execFile } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { promisify } from 'node:util';
import { ErrorReply } from '@redis/client';
import { expect } from 'chai';
import { markStart } from '../../src/commands/commands.js';
import { refusesCommand, toConnectionError } from '../../src/connection/reply-errors.js';
import { type CacheError, CommandError, ConnectionError, type RedisStore, type StoreOptions } from '../../src/index.js';
import { compiled } from '../support/compiled.js';
import { openStore, rejection, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { until } from '../support/until.js';
import { type RawClient, rawClient } from '../support/wire.js';

/** A server whose users may not run these commands. No ACL can forbid HELLO, so that one is renamed. */
async function forbidding(commands: readonly string[]): Promise<RedisServer> {
  const rules = commands.filter((name) => name !== 'hello').map((name) => `-${name}`);
  const renamed = commands.includes('hello') ? ['--rename-command', 'HELLO', ''] : [];
  return stopping(await RedisServer.start(['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all', ...rules, ...renamed]));
}

const scripts = ['eval', 'evalsha', 'script'];
const all = [...scripts, 'client', 'hello', 'unlink', 'getdel', 'scan', 'mget', 'pttl', 'select', 'ping'];
const cases: readonly (readonly string[])[] = [
  [],
  ['eval'],
  ['evalsha'],
  ['script'],
  scripts,
  [...scripts, 'getdel'],
  ['client'],
  ['client|tracking'],
  ['hello'],
  ['unlink'],
  ['getdel'],
  ['scan'],
  ['mget'],
  ['pttl'],
  ['select'],
  ['ping'],
  all,
];
const ways: Readonly<Record<string, StoreOptions>> = { 'node-redis': {}, 'the direct connection': { parser: 'auto' } };

type Calls = Readonly<Record<string, (store: RedisStore) => Promise<unknown>>>;

/** Every call, with what it gives wherever it works. */
const working: Readonly<Record<string, unknown>> = {
  ready: undefined,
  ping: undefined,
  set: true,
  get: 1,
  'two gets of one tick': [1, undefined],
  'mset and mget': [1, undefined, 2],
  getOrSet: 7,
  'getOrSet, a hit': 7,
  'getOrSet with a stale window': 5,
  'getOrSet, stale': 5,
  has: true,
  ttl: -1,
  'ttl of a minute': true,
  touch: true,
  'touch of an entry with a stale window': true,
  'touch of nothing': false,
  persist: true,
  add: true,
  'add to what is there': false,
  'add to what is stale': true,
  'set with tags': 3,
  'another set with tags': 4,
  invalidateTags: undefined,
  incr: 2,
  lock: 'held',
  getAndDelete: 1,
  'getAndDelete by two': [1, undefined],
  del: undefined,
  mdel: undefined,
  'what was deleted': [undefined, undefined, undefined],
  keys: true,
  delPattern: 1,
  clear: undefined,
};

const calls: Calls = {
  ready: (store) => store.ready(),
  ping: (store) => store.ping(),
  set: (store) => store.set('a', 1),
  get: (store) => store.get('a'),
  'two gets of one tick': (store) => Promise.all([store.get('a'), store.get('nothing')]),
  'mset and mget': async (store) => {
    await store.mset({ x: 1, y: 2 });
    return store.mget('x', 'nothing', 'y');
  },
  getOrSet: (store) => store.getOrSet('made', () => 7),
  'getOrSet, a hit': (store) => store.getOrSet('made', () => 8),
  'getOrSet with a stale window': (store) => store.getOrSet('ageing', () => 5, { ttl: 60_000, staleFor: 60_000 }),
  'getOrSet, stale': async (store) => {
    await store.getOrSet('stale', () => 5, { ttl: 1, staleFor: 60_000 });
    return store.getOrSet('stale', () => 5, { ttl: 1, staleFor: 60_000 });
  },
  has: (store) => store.has('a'),
  ttl: (store) => store.ttl('a'),
  'ttl of a minute': async (store) => {
    await store.set('minute', 1, 60_000);
    const left = await store.ttl('minute');
    return left > 58_000 && left <= 60_000;
  },
  touch: (store) => store.touch('a', 60_000),
  'touch of an entry with a stale window': async (store) => {
    const touched = await store.touch('ageing', 30_000);
    const left = await store.ttl('ageing');
    return touched && left > 88_000 && left <= 90_000;
  },
  'touch of nothing': (store) => store.touch('nothing', 1000),
  persist: (store) => store.persist('minute'),
  add: (store) => store.add('added', 1),
  'add to what is there': (store) => store.add('added', 2),
  'add to what is stale': (store) => store.add('stale', 6),
  'set with tags': async (store) => {
    await store.getOrSet('tagged', () => 3, { tags: ['t'], ttl: 5000 });
    return store.get('tagged');
  },
  'another set with tags': async (store) => {
    await store.getOrSet('tagged too', () => 4, { tags: ['t'], ttl: 60_000 });
    return store.get('tagged too');
  },
  invalidateTags: async (store) => {
    await store.invalidateTags(['t']);
    return (await store.get('tagged')) ?? (await store.get('tagged too'));
  },
  incr: (store) => store.incr('n', 1, { initial: 1 }),
  lock: (store) => store.withLock('l', () => 'held'),
  getAndDelete: (store) => store.getAndDelete('a'),
  'getAndDelete by two': async (store) => {
    const taken = await Promise.all([store.getAndDelete('x'), store.getAndDelete('x')]);
    return taken[0] === undefined ? taken.reverse() : taken;
  },
  del: (store) => store.del('y'),
  mdel: (store) => store.mdel('minute', 'made'),
  'what was deleted': (store) => store.mget('y', 'minute', 'made'),
  keys: async (store) => (await store.keys()).includes('ageing'),
  delPattern: (store) => store.delPattern('age*'),
  clear: (store) => store.clear(),
};

/** What fails with ERR_UNSUPPORTED: it has no other way. */
function unsupported(forbidden: readonly string[]): readonly string[] {
  const withoutScripts = forbidden.includes('eval') ? ['incr', 'lock', 'add to what is stale'] : [];
  return [...withoutScripts, ...(forbidden.includes('scan') ? ['keys', 'delPattern', 'clear'] : [])];
}

interface Outcome {
  readonly value: unknown;
  readonly time: number;
}

async function outcomeOf(call: () => Promise<unknown>): Promise<Outcome> {
  const begun = performance.now();
  const value = await call().catch((error: CacheError) => `${error.code}: ${error.message}`);
  return { value, time: performance.now() - begun };
}

describe('a server that forbids', () => {
  const it = sideBySide(4);
  for (const forbidden of cases) {
    const title = forbidden === all ? 'all of them' : forbidden.join(', ').toUpperCase() || 'nothing';
    it(`${title}: every call works another way, or says at once that it cannot`, async () => {
      const server = await forbidding(forbidden);
      for (const [way, options] of Object.entries(ways)) {
        const RESP = forbidden.includes('hello') && way === 'node-redis' ? { RESP: 2 as const } : {};
        const store = openStore({ location: server.location, ...options, ...RESP });
        const cannot = unsupported(forbidden);
        for (const [name, call] of Object.entries(calls)) {
          const { value, time } = await outcomeOf(() => call(store));
          const what = `${name} over ${way}`;
          if (cannot.includes(name)) expect(value, what).to.match(/^ERR_UNSUPPORTED: Redis refuses (EVAL|SCAN)/);
          else expect(value, what).to.deep.equal(working[name]);
          expect(time, what).to.be.below(1250);
          if (name === 'getOrSet, a hit') expect(time, what).to.be.below(250);
        }
        expect(store.breaker).to.equal('closed');
        expect(store.errors.filter(({ code }) => code !== 'ERR_UNSUPPORTED')).to.deep.equal([]);
      }
    });
  }

  for (const commands of [['exists'], ['del'], ['unlink'], ['del', 'unlink'], ['pttl'], ['ttl'], ['getrange'], ['pexpire']]) {
    it(`${commands.join(', ').toUpperCase()}, also to scripts: no load leaves its lease behind, however it ends`, async () => {
      const server = await forbidding(commands);
      const one = openStore({ location: server.location });
      const other = openStore({ location: server.location, prefix: one.source.prefix });
      const endings: Readonly<Record<string, () => unknown>> = {
        'gives a value': () => 1,
        'gives nothing': () => undefined,
        fails: () => Promise.reject(new Error('source down')),
        'is overtaken': () => other.set('is overtaken', 2),
      };
      for (const [key, make] of Object.entries(endings)) {
        await one.getOrSet(key, make).catch(() => {});
        const { value, time } = await outcomeOf(() => other.getOrSet(key, () => 4));
        // The end of a load is told after its caller has the answer.
        expect(value, key).to.be.oneOf(key === 'gives nothing' ? [undefined, 4] : [1, 2, 4]);
        expect(time, key).to.be.below(750);
      }
      const redis = await rawClient(server);
      expect(await heldLeases(redis)).to.deep.equal([]);
      redis.destroy();
    });
  }

  for (const command of ['get', 'mget', 'exists', 'del', 'unlink', 'getrange', 'pttl'])
    it(`${command.toUpperCase()} from the middle of a load on: its lease ends with it`, async () => {
      const rules = ['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all', '--user', 'admin', 'on', '>admin', '~*', '&*', '+@all'];
      const server = stopping(await RedisServer.start(rules));
      const admin = await rawClient({ url: `redis://admin:admin@${server.location}` } as RedisServer);
      const store = openStore({ location: server.location });
      for (const end of [() => 1, () => undefined, () => Promise.reject(new Error('source down'))]) {
        const load = store.getOrSet('k', async () => {
          await admin.sendCommand(['ACL', 'SETUSER', 'default', `-${command}`]);
          return end();
        });
        await load.catch(() => {});
        await until(async () => (await heldLeases(admin)).length === 0, 5000);
        await admin.sendCommand(['ACL', 'SETUSER', 'default', `+${command}`]);
        await admin.sendCommand(['FLUSHALL']);
      }
      admin.destroy();
    });

  for (const forbidden of [['client'], ['client|tracking'], ['pttl'], all]) {
    it(`${forbidden === all ? 'all of them' : forbidden.join().toUpperCase()}, with a near tier: reads go to Redis, or are kept`, async () => {
      const server = await forbidding(forbidden);
      const store = openStore({ location: server.location, near: { max: 10 }, ...(forbidden === all ? { RESP: 2 as const } : {}) });
      for (let i = 0; i < 3; i++) {
        await store.set('k', i);
        expect(await store.get('k')).to.equal(i);
        expect(await store.getOrSet('made', () => 1)).to.equal(1);
      }
      expect(store.errors).to.deep.equal([]);
    });
  }

  it('HELLO: over node-redis it says to set `RESP: 2`', async () => {
    const server = await forbidding(['hello']);
    const store = openStore({ location: server.location });
    const error = await rejection(store.ready());
    expect(error).to.be.instanceOf(ConnectionError).and.include({ code: 'ERR_UNSUPPORTED' });
    expect(error.message).to.match(/HELLO.*`RESP: 2`/i);
    const { value, time } = await outcomeOf(() => store.getOrSet('k', () => 1));
    expect(value).to.equal(1);
    expect(time).to.be.below(1250);
  });

  for (const [way, options] of Object.entries(ways)) {
    it(`SELECT, for a store with a database: over ${way} it says to leave it out`, async () => {
      const server = await forbidding(['select']);
      const store = openStore({ location: server.location, database: 1, ...options });
      const error = await rejection(store.ready());
      expect(error).to.be.instanceOf(ConnectionError).and.include({ code: 'ERR_UNSUPPORTED' });
      expect(error.message).to.match(/SELECT.*`database`/i);
    });

    it(`what it has to: each command is tried once over ${way}`, async () => {
      const server = await forbidding(['unlink', 'mget', 'pttl', 'getdel', 'eval', 'evalsha']);
      const store = openStore({ location: server.location, ...options });
      for (let i = 0; i < 3; i++) {
        await store.getOrSet(`k${i}`, () => 1);
        await Promise.all([store.get('k'), store.get('l')]);
        await store.ttl('k');
        await store.getAndDelete('k');
        await store.del('k');
      }
      const redis = await rawClient(server);
      expect(await denied(redis)).to.deep.equal({ unlink: 1, mget: 1, pttl: 1, getdel: 1, eval: 1, evalsha: 1 });
      redis.destroy();
    });
  }

  it('a key, not the command: that is no reason to send another', async () => {
    const server = stopping(await RedisServer.start(['--user', 'default', 'on', 'nopass', '~mine:*', '~mine#*', '&*', '+@all']));
    const store = openStore({ location: server.location, prefix: 'yours' });
    expect(await rejection(store.del('k'))).to.include({ code: 'ERR_PERMISSION' });
    expect(await rejection(store.getAndDelete('k'))).to.include({ code: 'ERR_PERMISSION' });
  });

  it('with a command that was renamed', async () => {
    const renamed = ['UNLINK', 'GETDEL', 'MGET', 'PTTL'].flatMap((name) => ['--rename-command', name, '']);
    const server = stopping(await RedisServer.start(renamed));
    const store = openStore({ location: server.adminUrl });
    await store.mset({ a: 1, b: 2 });
    expect(await Promise.all([store.get('a'), store.get('b')])).to.deep.equal([1, 2]);
    expect(await store.ttl('a')).to.equal(-1);
    expect(await store.getAndDelete('a')).to.equal(1);
    await store.del('b');
    expect(await store.mget('a', 'b')).to.deep.equal([undefined, undefined]);
    expect(store.errors).to.deep.equal([]);
  });

  for (const [way, options] of Object.entries({
    'node-redis': { RESP: 2, disableClientInfo: true },
    'the direct connection': { parser: 'auto' },
  } as const)) {
    it(`with a proxy that closes the connection over them: after three losses they are not sent any more, over ${way}`, async () => {
      const server = await forbidding([]);
      const refused = /\r\n(UNLINK|GETDEL|MGET|CLIENT|HELLO|SELECT)\r\n/;
      const location = await closingOver((data) => refused.test(data), server);
      const store = openStore({ location, ...options });
      for (const call of [() => store.del('a'), () => store.getAndDelete('a'), () => store.mget('a', 'b')]) {
        let failures = 0;
        // Between two losses it is what stands in for the command that is sent.
        for (let i = 0; i < 10; i++) if (await isLost(store, call)) failures++;
        expect(failures).to.equal(3);
      }
      expect(store.errors.every((error) => error instanceof ConnectionError)).to.equal(true);
      const before = store.errors.length;
      await store.set('a', 1);
      expect(await store.mget('a', 'b')).to.deep.equal([1, undefined]);
      expect(await store.getAndDelete('a')).to.equal(1);
      await store.del('a');
      expect(store.errors.length).to.equal(before);
    });
  }

  it('with a proxy that closes the connection over one of two that are sent together: the other is sent on', async () => {
    for (const [refused, other] of [
      ['GETDEL', 'UNLINK'],
      ['UNLINK', 'GETDEL'],
    ] as const) {
      const server = await forbidding([]);
      const location = await closingOver((data) => data.includes(`\r\n${refused}\r\n`), server);
      const store = openStore({ location });
      let failures = 0;
      for (let i = 0; i < 12; i++) if (await isLost(store, () => store.getAndDelete('a'))) failures++;
      expect(failures, refused).to.equal(3);
      const redis = await rawClient(server);
      await redis.sendCommand(['CONFIG', 'RESETSTAT']);
      await store.getAndDelete('a');
      expect(String(await redis.sendCommand(['INFO', 'commandstats']))).to.include(`cmdstat_${other.toLowerCase()}:`);
      redis.destroy();
    }
  });

  for (let losses = 1; losses < 9; losses++) {
    it(`nothing, and loses its first connections, ${losses} of them: every command is sent once it is well`, async () => {
      const server = await forbidding([]);
      let isWell = false;
      const location = await closingOver((data) => !isWell && /\r\n(MGET|GET)\r\n/.test(data), server);
      const store = openStore({ location });
      for (let i = 0; i < losses; i++) expect(await isLost(store, () => store.mget('a', 'b'))).to.equal(true);
      isWell = true;
      await until(async () => store.set('a', 1));
      // The first of them may compare.
      for (let i = 0; i < 2; i++) expect(await store.mget('a', 'b')).to.deep.equal([1, undefined]);
      const redis = await rawClient(server);
      expect(String(await redis.sendCommand(['INFO', 'commandstats']))).to.include('cmdstat_mget:');
      redis.destroy();
    });
  }

  it('is recognised by what Redis, services and proxies say, each of this command', async () => {
    const replies: Readonly<Record<string, boolean>> = {
      "NOPERM this user has no permissions to run the 'unlink' command": true,
      "NOPERM this user has no permissions to run the 'unlink' command or its subcommand": true,
      "NOPERM User app has no permissions to run the 'unlink' command": true,
      "NOPERM User app has no permissions to run the 'del' command": false,
      'NOPERM this user has no permissions to access one of the keys used as arguments': false,
      'NOPERM No permissions to access a key': false,
      "ERR unknown command 'UNLINK', with args beginning with: 'k' ": true,
      'ERR unknown command `UNLINK`, with args beginning with: `k`, ': true,
      "ERR unknown command 'DEL', with args beginning with: 'UNLINK' ": false,
      "unsupported command 'unlink'": true,
      "ERR Command is not available: 'UNLINK'. See https://upstash.com/docs": true,
      'ERR command not supported': true,
      'ERR command is not supported': true,
      'ERR command is not allowed': true,
      "ERR command 'unlink' is not allowed": true,
      'ERR command unlink not support for your account': true,
      "ERR command 'del' is not allowed": false,
      'ERR unknown command': true,
      'unknown command.': true,
      "unknown command 'del'": false,
      'ERR value is not an integer or out of range': false,
      'WRONGTYPE Operation against a key holding the wrong kind of value': false,
    };
    for (const [reply, isRefused] of Object.entries(replies))
      expect(refusesCommand(new CommandError('', { cause: new Error(reply) }), 'UNLINK'), reply).to.equal(isRefused);
    expect(refusesCommand(new ConnectionError('', { cause: new Error("ERR unknown command 'UNLINK'") }), 'UNLINK')).to.equal(false);
  });

  it('is advised about as a command of the session only if the reply names it', async () => {
    const errorOf = (reply: string) => toConnectionError(new ErrorReply(reply));
    for (const [reply, advice] of [
      ["ERR unknown command 'HELLO', with args beginning with: '3' ", '`RESP: 2`'],
      ['NOPROTO unsupported protocol version', '`RESP: 2`'],
      ["ERR command 'SELECT' is not allowed", '`database`'],
      ["NOPERM this user has no permissions to run the 'client|setname' command", '`name`'],
    ] as const)
      expect(errorOf(reply)).to.include({ code: 'ERR_UNSUPPORTED' }).and.property('message').contain(advice);
    for (const reply of ['ERR command not supported', 'ERR command is not supported', 'ERR unknown command'])
      expect(errorOf(reply)).to.include({ code: 'ERR_CONNECTION', message: `not connected to Redis: ${reply}` });
  });

  it('warns once a command, of what is done instead', async () => {
    const server = await forbidding(['unlink', 'eval']);
    const program = `
      const { redisStore } = require('${compiled('src/index.ts')}');
      process.on('warning', ({ code, message }) => code?.startsWith('REDIS_TIER') && console.log(code, message));
      (async () => {
        for (let i = 0; i < 2; i++) {
          const store = redisStore('${server.location}');
          await store.getOrSet('k', () => 'made');
          await store.del('k');
          await store.disconnect();
        }
      })();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program]);
    const lines = stdout.trim().split('\n').sort();
    expect(lines.length).to.equal(2);
    expect(lines[0]).to.match(/^REDIS_TIER_COMMAND Redis refuses EVAL: .*without a lease/);
    expect(lines[1]).to.match(/^REDIS_TIER_COMMAND Redis refuses UNLINK: DEL/);
  });
});

/** A proxy that closes a connection without a word if it sends one of these, as Twemproxy does. @returns its address */
async function closingOver(isRefused: (data: string) => boolean, server: RedisServer): Promise<string> {
  const proxy = createServer((client) => {
    const upstream = connect(server.port, '127.0.0.1');
    client.on('data', (data) => (isRefused(String(data)) ? client.destroy() : upstream.write(data)));
    upstream.on('data', (data) => client.write(data));
    client.on('close', () => upstream.destroy()).on('error', () => {});
    upstream.on('close', () => client.destroy()).on('error', () => {});
  });
  stopping({ stop: async () => proxy.close() });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(proxy.address() as { port: number }).port}`;
}

/** Whether the call, over a connection that is up, loses that connection. */
async function isLost(store: RedisStore, call: () => Promise<unknown>): Promise<boolean> {
  await until(async () => store.set('up', 1));
  const before = store.stats().failures;
  await call().catch(() => {});
  return store.stats().failures > before;
}

/** What the leases hold that nobody has ended. */
async function heldLeases(redis: RawClient): Promise<string[]> {
  const leases = (await redis.sendCommand(['KEYS', '*#l:*'])) as string[];
  const holders = await Promise.all(leases.map((lease) => redis.sendCommand(['GET', lease])));
  return holders.map(String).filter((holder) => !holder.startsWith(markStart));
}

/** How often each command was denied. */
async function denied(redis: RawClient): Promise<Record<string, number>> {
  const info = String(await redis.sendCommand(['INFO', 'commandstats']));
  const counts = [...info.matchAll(/^cmdstat_([^:]+):.*rejected_calls=(\d+)/gm)].map(([, name, count]) => [name, Number(count)] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}
