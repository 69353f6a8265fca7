import { expect } from 'chai';
import { RefusedCommands } from '../../src/commands/refused.js';
import { scan } from '../../src/commands/scan.js';
import type { Connection } from '../../src/connection/connection.js';
import { createPool, type Pool } from '../../src/index.js';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { sharedServer } from '../support/hooks.js';
import { closing, openStore, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { unhandled } from '../support/unhandled.js';
import { rawClient } from '../support/wire.js';

describe('a scan', () => {
  it('that its caller leaves early ignores the failure of the page that it asked for ahead', async () => {
    const proxy = stopping(await FaultProxy.start(sharedServer().port, new Random(1)));
    const store = openStore({ location: proxy.location, breaker: false });
    await store.mset(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i] as const));
    const left = await unhandled(async () => {
      for await (const _ of store.iterate()) {
        // The next page was asked for, and cannot have been answered yet.
        proxy.reset();
        break;
      }
    });
    expect(left).to.deep.equal([]);
  });

  it('includes the keys of a primary that is added while it runs', async () => {
    const servers = await Promise.all(['a', 'b'].map(async (name) => [name, stopping(await RedisServer.start())] as const));
    const pools = new Map<string, Pool>();
    for (const [name, server] of servers) {
      const redis = await rawClient(server);
      await redis.set(`key on ${name}`, '1');
      redis.destroy();
      const pool = createPool({ location: server.location });
      closing({ disconnect: () => pool.close(100) });
      pools.set(name, pool);
    }
    const answers = [['a'], ['a', 'b']];
    const cluster: Partial<Connection> = {
      primaries: async () => answers.shift() ?? ['a', 'b'],
      send: (args, route) => (pools.get(route?.node ?? '') as Pool).use((connection) => connection.send(args)),
    };
    const found: string[] = [];
    for await (const { keys } of scan({ use: (work) => work(cluster as Connection) } as Pool, new RefusedCommands(), '*'))
      found.push(...keys.map(String));
    expect(found).to.deep.equal(['key on a', 'key on b']);
  });
});
