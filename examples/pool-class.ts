// In your project: 'redis-tier'
import {
  BlockingPool,
  type Connection,
  type OpenConnection,
  type Pool,
  type PoolOptions,
  RoundRobinPool,
  redisStore,
} from '../src/index.js';

/** A custom pool class: a constructor that takes `open` and the other members of `pool`, and two methods. */
class LeastBusyPool implements Pool {
  readonly #lanes: { readonly connection: Connection; busy: number }[];
  readonly #onLend: (lane: number) => void;

  constructor(open: OpenConnection, { size = 2, onLend = () => {} }: { size?: number; onLend?: (lane: number) => void }) {
    // `open` does not connect yet: the first command does.
    this.#lanes = Array.from({ length: size }, () => ({ connection: open(), busy: 0 }));
    this.#onLend = onLend;
  }

  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const lane = this.#lanes.reduce((best, each) => (each.busy < best.busy ? each : best));
    this.#onLend(this.#lanes.indexOf(lane));
    lane.busy++;
    try {
      return await work(lane.connection);
    } finally {
      lane.busy--;
    }
  }

  async close(grace: number): Promise<void> {
    await Promise.all(this.#lanes.map(({ connection }) => connection.close(grace)));
  }
}

export async function main(location: string) {
  const lent: number[] = [];
  const pools: Record<string, PoolOptions> = {
    // Shared connections, used in turn: a large value delays the callers of one connection, not all.
    roundRobin: { class: RoundRobinPool, size: 4 },
    // One caller per connection at a time; further callers wait up to `timeout` ms. For isolation, not speed.
    blocking: { class: BlockingPool, max: 3, timeout: 200 },
    own: { class: LeastBusyPool, size: 2, onLend: (lane: number) => lent.push(lane) },
  };
  const answers: Record<string, unknown[]> = {};
  for (const [name, pool] of Object.entries(pools)) {
    const store = redisStore({ location, pool, prefix: `example-pool-${name}`, ttl: 5_000 });
    try {
      const keys = ['a', 'b', 'c', 'd'];
      await Promise.all(keys.map((key) => store.set(key, `${name} ${key}`)));
      // Reads of one tick would leave as one command on one connection. Read one after the other, each borrows a connection.
      const found: unknown[] = [];
      for (const key of keys) found.push(await store.get(key));
      answers[name] = found;
      console.log(name, answers[name]);
    } finally {
      await store.disconnect();
    }
  }
  console.log('connections that the own pool lent, in order:', lent);
  return { answers, lent };
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
