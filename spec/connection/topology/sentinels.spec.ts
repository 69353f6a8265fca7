import { mkdtempSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { minimalEverywhere } from '../../support/acl.js';
import { cacheOf } from '../../support/internals.js';
import { openStore, rejection } from '../../support/open.js';
import { freePort, RedisServer } from '../../support/redis.js';
import { until } from '../../support/until.js';
import { rawClient } from '../../support/wire.js';

/** A sentinel that knows of no other, and of a failover with this number. It never finds the primary down. */
async function lonelySentinel(primary: RedisServer, epoch: number): Promise<RedisServer> {
  const file = join(mkdtempSync(join(tmpdir(), 'redis-tier-sentinel-')), 'sentinel.conf');
  const lines = [
    `sentinel monitor cache 127.0.0.1 ${primary.port} 2`,
    'sentinel down-after-milliseconds cache 60000',
    `sentinel config-epoch cache ${epoch}`,
  ];
  writeFileSync(file, lines.join('\n'));
  const port = await freePort();
  return RedisServer.startWith([file, '--sentinel', '--port', String(port), '--bind', '127.0.0.1'], port);
}

describe('what sentinels say', () => {
  let [old, current]: RedisServer[] = [];
  let sentinels: RedisServer[] = [];
  before(function () {
    // Sentinels of their own, with no users.
    if (minimalEverywhere) this.skip();
  });
  beforeEach(async () => {
    [old, current] = await Promise.all([RedisServer.start(), RedisServer.start()]);
    sentinels = await Promise.all([lonelySentinel(old as RedisServer, 1), lonelySentinel(current as RedisServer, 2)]);
  });
  afterEach(() => Promise.all([...sentinels, old, current].map((server) => server?.stop())));
  const open = (ports: readonly number[]) =>
    openStore({
      sentinel: { name: 'cache', sentinelRootNodes: ports.map((port) => ({ host: '127.0.0.1', port })), scanInterval: 0 },
      name: 'mine',
      onFailure: 'throw',
      prefix: 'p',
    });
  const connections = async (server: RedisServer | undefined): Promise<number> => {
    const redis = await rawClient(server as RedisServer);
    const list = String(await redis.sendCommand(['CLIENT', 'LIST']));
    redis.destroy();
    return (list.match(/name=mine/g) ?? []).length;
  };

  it('counts by the latest failover that they know of, no matter which sentinel answers first', async () => {
    for (const order of [sentinels, [...sentinels].reverse()]) {
      const store = open(order.map(({ port }) => port));
      await store.set('k', 1);
      expect([await connections(old), await connections(current)]).to.deep.equal([0, 1]);
      await store.disconnect();
    }
  });

  it('ends the connection to the primary that was left, and no write is sent to the next one after its caller gave up', async () => {
    // Stands for all sentinels: first for one that knows the old primary, later for one that knows the current one.
    let sentinel = sentinels[0] as RedisServer;
    let asked = 0;
    let answering: Promise<unknown> | undefined;
    const proxy = createServer(async (near) => {
      near.on('error', () => {});
      asked++;
      await answering;
      near.pipe(connect(sentinel.port, '127.0.0.1').on('error', () => {})).pipe(near);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const store = open([(proxy.address() as AddressInfo).port]);
    await store.set('k', 1);
    expect([await connections(old), await connections(current)]).to.deep.equal([1, 0]);

    const redis = await rawClient(old as RedisServer);
    await redis.replicaOf('127.0.0.1', current?.port as number);
    sentinel = sentinels[1] as RedisServer;
    const before = asked;
    let answer = (): void => {};
    answering = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const late = rejection(cacheOf(store.with({ timeout: 100 })).writer.set('k', 'late'));
    await until(() => asked > before);
    expect((await late).code).to.equal('ERR_TIMEOUT');
    answer();
    await until(async () => (await connections(current)) === 1);
    await sleep(100);
    expect(await connections(old)).to.equal(0);
    const next = await rawClient(current as RedisServer);
    expect(await next.get('p:k')).to.equal(null);
    await store.set('k', 'now');
    expect(await next.get('p:k')).to.equal('"now"');
    redis.destroy();
    next.destroy();
    await store.disconnect();
    proxy.close();
  });
});
