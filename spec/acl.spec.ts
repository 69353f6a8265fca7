import { expect } from 'chai';
import { type CacheError, type RedisStore, redisStore } from '../src/index.js';
import { KeyvRedisStore } from '../src/keyv.js';
import { documentedRules, onlyUser } from './support/acl.js';
import { cacheOf } from './support/internals.js';
import { closing, rejection } from './support/open.js';
import { RedisServer } from './support/redis.js';
import { type RawClient, rawClient } from './support/wire.js';

const password = 's3cret';

async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of iterable);
}

/** Everything a store can do, the undoing of counts that went too far included. */
async function everything(store: RedisStore, old: RedisStore): Promise<void> {
  const calls: (() => Promise<unknown>)[] = [
    () => store.set('k', { a: 1 }, 60_000),
    () => store.set('\ud800', 1),
    () => store.get('k'),
    () => store.mget('k', 'missing'),
    () => store.mset({ a: 1, b: 2 }),
    () => cacheOf(store).reader.hasMany(['a', 'b']),
    () => store.ttl('k'),
    () => store.touch('k', 5000),
    () => store.touch('k', 0),
    () => store.getAndTouch('k', 5000),
    () => store.set('k', { a: 2 }, { keepTtl: true }),
    () => store.expire('k'),
    () => store.add('added', 1),
    () => store.incr('a'),
    () => store.incr('new', 1, { initial: 0, ttl: 5000 }),
    () => store.set('most', Number.MAX_SAFE_INTEGER),
    () => store.incr('most'),
    () => store.incr('too far', 1, { initial: Number.MAX_SAFE_INTEGER }),
    () => store.getOrSet('made', () => 1),
    () => store.getAndDelete('made'),
    () => store.withLock('name', () => 1),
    () => store.getOrSet('ageing', () => 1, { ttl: 60_000, staleFor: 60_000, tags: ['t'], lease: 100 }),
    () => store.getOrSet('ageing', () => 2, { ttl: 60_000, staleFor: 60_000, tags: ['t'], lease: 100 }),
    () => store.mset({ d: 1 }, { ttl: 5000, tags: ['t', 'u'] }),
    () => store.persist('d'),
    () => store.get('d'),
    () => cacheOf(store).reader.hasMany(['d', 'ageing']),
    () => store.expireTags(['t']),
    () => store.getOrSet('ageing', () => 3, { ttl: 60_000, staleFor: 60_000, tags: ['t'], lease: 100 }),
    () => store.invalidateTags(['t', 'u']),
    () => old.set('moving', 1),
    () => old.incrVersion('moving'),
    () => old.set('framed', Buffer.from('1')),
    () => drain(store.reencode()),
    () => store.keys(),
    () => store.del('k'),
    () => store.mdel('a', 'b'),
    () => store.delPattern('n*'),
    () => store.ping(),
    () => store.clear({ allVersions: true }),
  ];
  for (const call of calls) await call().catch(() => {});
}

/** Whether Redis said that the user may not. */
function forbidden(error: CacheError): boolean {
  return /NOPERM|no permissions|can't run this command|Redis refuses/i.test(
    `${error.message} ${(error.cause as Error | undefined)?.message}`,
  );
}

describe('the ACL user of docs/security.md', () => {
  const { patterns, commands } = documentedRules();
  let server: RedisServer;
  let admin: RawClient;
  let errors: CacheError[];

  before(async () => {
    const rules = onlyUser('app', password, [...patterns, ...commands]);
    server = await RedisServer.start([...rules, '--user', 'admin', 'on', '>admin', '~*', '&*', '+@all']);
    admin = await rawClient({ url: `redis://admin:admin@${server.location}` } as RedisServer);
  });
  after(async () => {
    admin.destroy();
    await server.stop();
  });
  beforeEach(() => {
    errors = [];
  });
  const open = (options = {}): RedisStore => {
    const store = redisStore({ location: `redis://app:${password}@${server.location}`, ...options });
    return closing(store.on('error', (error) => errors.push(error)));
  };

  it('is the only user, and no client connects without a password', async () => {
    const stranger = closing(redisStore({ location: server.location }));
    expect(await rejection(stranger.set('k', 1).then(() => stranger.ping()))).to.have.property('message');
    expect(commands.length).to.be.above(15);
  });

  it('is enough for everything that a store does, under the default prefix', async () => {
    await everything(open(), open({ version: 1 }));
    expect(errors.filter(forbidden).map(({ operation, message }) => `${operation}: ${message}`)).to.deep.equal([]);
    // Counting past exact integers is refused by the script, not by the server.
    expect(errors.map(({ operation }) => operation)).to.deep.equal(['incr', 'incr']);
    // What goes on counting the holders of a lock, for a day.
    expect(await admin.keys('*')).to.deep.equal(['cache#f:{cache:name}']);
  });

  for (const command of commands) {
    it(`needs ${command}`, async () => {
      await admin.sendCommand(['ACL', 'SETUSER', 'app', command.replace('+', '-')]);
      try {
        const stores = [open(), open({ version: 1 })] as const;
        await admin.sendCommand(['SCRIPT', 'FLUSH']);
        await admin.sendCommand(['ACL', 'LOG', 'RESET']);
        await everything(...stores);
        // Without some of them stores do with others: what counts is that they try.
        expect(JSON.stringify(await admin.sendCommand(['ACL', 'LOG']))).to.include(`"${command.slice(1)}"`);
      } finally {
        await admin.sendCommand(['ACL', 'SETUSER', 'app', command]);
        await admin.sendCommand(['FLUSHALL']);
      }
    });
  }

  it('reaches nothing else: no other keys, no other commands', async () => {
    const other = open({ prefix: 'cache2' });
    await other.set('k', 1);
    expect(await other.get('k')).to.equal(undefined);
    expect(errors.filter(forbidden).length).to.equal(2);
    expect(await rejection(other.del('k'))).to.satisfy(forbidden);
    const redis = await rawClient({ url: `redis://app:${password}@${server.location}` } as RedisServer);
    for (const command of ['FLUSHALL', 'FLUSHDB', 'KEYS *', 'CONFIG GET *', 'ACL LIST', 'SAVE', 'MONITOR', 'SUBSCRIBE x']) {
      expect(await redis.sendCommand(command.split(' ')).catch((error) => String(error)), command).to.match(/NOPERM|no permissions/i);
    }
    redis.destroy();
  });

  it('suits a Keyv adapter with the pattern of its namespace', async () => {
    await admin.sendCommand(['ACL', 'SETUSER', 'app', '~users::*', '~users#*']);
    const adapter = closing(new KeyvRedisStore({ location: `redis://app:${password}@${server.location}`, namespace: 'users' }));
    adapter.on('error', (error) => errors.push(error as CacheError));
    await adapter.setMany([
      { key: '1', value: 'a', expires: Date.now() + 60_000 },
      { key: '\udfff', value: 'b' },
    ]);
    expect(await adapter.getMany(['1', '\udfff'])).to.deep.equal(['a', 'b']);
    expect(await adapter.hasMany(['1'])).to.deep.equal([true]);
    expect(await adapter.deleteMany(['1'])).to.equal(true);
    await drain(adapter.iterator());
    await adapter.clear();
    expect(errors).to.deep.equal([]);
  });
});
