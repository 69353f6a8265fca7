import { expect } from 'chai';
import {
  BlockingPool,
  type Connection,
  createPool,
  type OpenConnection,
  type Pool,
  RoundRobinPool,
  SharedConnection,
} from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { openStore, rejection } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

async function clientsOf(server: RedisServer): Promise<number> {
  const client = await rawClient(server);
  const list = (await client.sendCommand(['CLIENT', 'LIST'])) as string;
  client.destroy();
  return list.trim().split('\n').length - 1;
}

describe('pool classes', () => {
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start();
  });
  after(() => server.stop());
  const at = (pool: object) => openStore({ location: server.location, pool: pool as never });

  it('opens as many connections as were asked for', async () => {
    const cases: [object, number][] = [
      [{ class: SharedConnection }, 1],
      [{ class: RoundRobinPool, size: 3 }, 3],
      [{ class: BlockingPool, max: 4 }, 4],
    ];
    for (const [pool, count] of cases) {
      const store = at(pool);
      await Promise.all(Array.from({ length: 200 }, (_, i) => store.set(`k${i}`, i)));
      expect(await clientsOf(server)).to.equal(count);
      await store.disconnect();
      await until(async () => (await clientsOf(server)) === 0, 5000);
      expect(await clientsOf(server)).to.equal(0);
    }
  });

  it('lends a connection of the blocking pool to one caller at a time', async () => {
    let most = 0;
    class Watched extends BlockingPool {
      #lent = 0;
      override use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
        return super.use(async (connection) => {
          most = Math.max(most, ++this.#lent);
          try {
            return await work(connection);
          } finally {
            this.#lent--;
          }
        });
      }
    }
    const store = at({ class: Watched, max: 3 });
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.set(`k${i}`, i)));
    expect(most).to.equal(3);
    expect(await store.mget('k0', 'k99')).to.deep.equal([0, 99]);
  });

  it('gives up waiting for a connection after its own timeout, with an error that says so', async () => {
    const store = at({ class: BlockingPool, max: 1, timeout: 100 });
    await store.ready();
    server.freeze();
    try {
      const [first, second] = await Promise.all([rejection(store.touch('a', 1)), rejection(store.touch('b', 1))]);
      expect(first).to.include({ code: 'ERR_TIMEOUT', operation: 'touch', key: 'a' });
      expect(second).to.include({ code: 'ERR_POOL_TIMEOUT', operation: 'touch', key: 'b', name: 'PoolTimeoutError' });
      expect(second.message).to.equal('waited 100 ms for a connection, all 1 of the pool are in use');
    } finally {
      server.thaw();
    }
  });

  it('forgets a caller that gave up waiting, and lends the connection to the next one', async () => {
    const pool = createPool({ location: server.location, pool: { class: BlockingPool, max: 1, timeout: 50 } });
    const get = () => pool.use((connection) => connection.send(['GET', 'p:k']));
    await get();
    server.freeze();
    const first = get();
    expect((await rejection(get())).code).to.equal('ERR_POOL_TIMEOUT');
    server.thaw();
    await first;
    for (let i = 0; i < 3; i++) expect(await get()).to.equal(null);
    await pool.close(100);
  });

  it('lends what is connected before what is known to be down', async () => {
    const opened: Connection[] = [];
    class Lifo extends BlockingPool {
      constructor(open: OpenConnection, kwargs: object) {
        super(() => {
          const connection = open();
          opened.push(connection);
          return connection;
        }, kwargs);
      }
    }
    const store = at({ class: Lifo, max: 3 });
    await Promise.all(Array.from({ length: 30 }, (_, i) => store.set(`k${i}`, i)));
    const [, ...others] = opened;
    for (const connection of others) Object.defineProperty(connection, 'status', { get: () => 'reconnecting' });
    for (let i = 0; i < 20; i++) expect(await store.get(`k${i}`)).to.equal(i);
    expect(store.errors).to.deep.equal([]);
  });

  it('takes a class of the user’s own, with its arguments', async () => {
    const seen: unknown[] = [];
    class Own implements Pool {
      readonly #connection: Connection;
      constructor(open: OpenConnection, kwargs: { colour: string }) {
        seen.push(kwargs);
        this.#connection = open();
      }
      use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
        return work(this.#connection);
      }
      close(grace: number): Promise<void> {
        seen.push('closed');
        return this.#connection.close(grace);
      }
    }
    const store = at({ class: Own, colour: 'red' });
    await store.set('k', 1);
    expect(await store.get('k')).to.equal(1);
    await store.disconnect();
    expect(seen).to.deep.equal([{ colour: 'red' }, 'closed']);
  });

  it('is shared by stores only when they are given one, and outlives them', async () => {
    const before = await clientsOf(server);
    const pool = createPool({ location: server.location, pool: { class: RoundRobinPool, size: 2 } });
    const [a, b] = [openStore({ pool }), openStore({ pool })];
    await Promise.all(Array.from({ length: 10 }, async (_, i) => [await a.set(`k${i}`, 'a'), await b.set(`k${i}`, 'b')]));
    expect([await a.get('k1'), await b.get('k1')]).to.deep.equal(['a', 'b']);
    expect(await clientsOf(server)).to.equal(before + 2);
    await a.disconnect();
    expect(a.status).to.equal('closed');
    expect((await rejection(a.del('k1'))).code).to.equal('ERR_CLOSED');
    expect(await b.get('k1')).to.equal('b');
    const apart = [openStore({ location: server.location }), openStore({ location: server.location })];
    await Promise.all(apart.map((store) => store.set('k', 1)));
    expect(await clientsOf(server)).to.equal(before + 4);
    await pool.close(1000);
  });

  it('says what was expected of its arguments', () => {
    const location = sharedServer().location;
    expect(() => openStore({ location, pool: { class: BlockingPool, max: 0 } })).to.throw(
      'expected `pool.max` to be an integer ≥ 1, got `0`',
    );
    expect(() => openStore({ location, pool: { class: RoundRobinPool, size: 1.5 } })).to.throw(
      'expected `pool.size` to be an integer ≥ 1, got `1.5`',
    );
    expect(() => openStore({ location, pool: { class: BlockingPool, timeout: -1 } })).to.throw(
      'expected `pool.timeout` to be a number of milliseconds ≥ 0 and ≤ 2147483647, got `-1`',
    );
    expect(() => openStore({ location, pool: { class: RoundRobinPool, sizes: 4 } })).to.throw('unknown option `pool.sizes`; it takes size');
    expect(() => openStore({ location, pool: 'shared' as never })).to.throw('expected `pool` to be an object with a pool class');
  });
});
