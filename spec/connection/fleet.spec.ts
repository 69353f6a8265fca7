import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type RedisStore, redisStore } from '../../src/index.js';
import { until } from '../support/until.js';

const size = 60;
const cost = 20;

/** The server of `npm run bench:fleet`: each handshake costs it time, and all of them one after the other. */
async function start(): Promise<{ process: ChildProcess; port: number }> {
  const server = fork('bench/fleet/server.mjs', [String(cost)], { execArgv: [] });
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  return { process: server, port };
}

async function handshakes(server: ChildProcess): Promise<number> {
  server.send({});
  const [answer] = (await once(server, 'message')) as [{ handshakes: number }];
  return answer.handshakes;
}

for (const [kind, options] of Object.entries({ 'node-redis': {}, 'our own parser': { parser: 'auto' as const } })) {
  describe(`a fleet: ${kind}`, () => {
    let server: Awaited<ReturnType<typeof start>>;
    let stores: RedisStore[];
    let load: NodeJS.Timeout;
    const connected = (): number => stores.filter(({ status }) => status === 'ready').length;

    before(async () => {
      server = await start();
      stores = Array.from({ length: size }, () => redisStore({ location: `127.0.0.1:${server.port}`, timeout: 200, ...options }));
      for (const store of stores) store.on('error', () => {});
    });
    after(async () => {
      clearInterval(load);
      await Promise.all(stores.map((store) => store.disconnect()));
      server.process.kill();
    });

    it('connects, although the handshakes of all take longer than each waits', async () => {
      for (const store of stores) store.ready().catch(() => {});
      await until(() => connected() === size, 10_000);
      // Nobody has given up a handshake only to begin another: at most a few were made beside those that hang.
      expect(await handshakes(server.process)).to.be.below(2.5 * size);
    });

    it('stays connected when the server stalls for a while', async () => {
      load = setInterval(() => {
        for (const store of stores) void store.get('k');
      }, 300);
      await sleep(400);
      const before = await handshakes(server.process);
      server.process.send({ stall: 2500 });
      await until(() => connected() < size / 2);
      await until(() => connected() === size, 10_000);
      await sleep(500);
      expect(connected()).to.equal(size);
      // Some may have begun another connection, not all at once.
      expect((await handshakes(server.process)) - before).to.be.below(size);
    });
  });
}
