import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { openStore, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

for (const [kind, options] of Object.entries({ 'node-redis': {}, 'our own parser': { parser: 'auto' as const } })) {
  describe(`a load balancer that swallows everything: ${kind}`, () => {
    it('is tried again although the attempts of before hang for good', async () => {
      const server = stopping(await RedisServer.start());
      const proxy = stopping(await FaultProxy.start(server.port, new Random(1)));
      const store = openStore({ location: proxy.location, timeout: 200, onFailure: 'throw', ...options });
      const works = (): Promise<boolean> =>
        store.set('x', 'y').then(
          () => true,
          () => false,
        );
      await until(works);
      proxy.become({ kind: 'swallow', way: 'both' });
      const end = performance.now() + 5000;
      while (performance.now() < end) {
        await works();
        await sleep(10);
      }
      proxy.become({ kind: 'open' });
      // Attempts that hang are ended after fifteen seconds.
      await until(works, 9000);
    });
  });
}
