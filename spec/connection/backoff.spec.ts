import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { maxTimerDelay } from '../../src/ttl.js';
import { openStore } from '../support/open.js';
import { freePort } from '../support/redis.js';
import { until } from '../support/until.js';

describe('an attempt to connect', () => {
  it('is not followed at once by others where `timeout` is the longest there is', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on('error', () => {})));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const store = openStore({ location: `127.0.0.1:${(server.address() as AddressInfo).port}`, timeout: maxTimerDelay });
    void store.get('k');
    await until(() => sockets.length > 0);
    await sleep(200);
    const attempts = sockets.length;
    server.close();
    for (const socket of sockets) socket.destroy();
    expect(attempts).to.equal(1);
  });
});

describe('a reconnectStrategy', () => {
  for (const [kind, options] of Object.entries({ 'node-redis': {}, 'our own parser': { parser: 'auto' } as const }))
    it(`that waits for longer than a timer of Node can is waited for: ${kind}`, async () => {
      let attempts = 0;
      const socket = { reconnectStrategy: () => ++attempts && Number.POSITIVE_INFINITY };
      const store = openStore({ location: `127.0.0.1:${await freePort()}`, socket, ...options });
      await store.get('k');
      await sleep(200);
      expect([attempts, store.status]).to.deep.equal([1, 'reconnecting']);
    });
});
