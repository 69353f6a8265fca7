import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { OutageEvent } from '../../src/index.js';
import { compiled } from '../support/compiled.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

describe('an outage', () => {
  it('is told of once when it begins and once when it is over, however many calls fail', async () => {
    const port = await freePort();
    const store = openStore({ location: `127.0.0.1:${port}` });
    const outages: OutageEvent[] = [];
    store.on('outage', (outage) => outages.push(outage));
    for (let i = 0; i < 1000; i++) await store.get(`k${i}`);
    expect(outages.map(({ phase, failures }) => [phase, failures])).to.deep.equal([['begin', 0]]);
    expect(outages[0]?.cause).to.include({ code: 'ERR_CONNECTION' });
    store.stats({ reset: true });
    const server = await RedisServer.start([], port);
    await until(() => cacheOf(store).writer.set('k', 1), 10_000);
    await until(() => outages.length > 1, 5000);
    expect(outages).to.have.lengthOf(2);
    expect(outages[1]).to.include({ phase: 'end' });
    expect(outages[1]?.failures).to.be.at.least(1000);
    expect(outages[1]?.duration).to.be.above(0);
    expect(store.errors.length).to.be.at.least(1000);
    await server.stop();
  });

  async function output(lines: string, env: Record<string, string> = {}): Promise<string> {
    const script = `
      const { redisStore } = require('${compiled('src/index.ts')}');
      const store = redisStore('redis://user:s3cret@127.0.0.1:${await freePort()}');
      ${lines}
      (async () => {
        for (let i = 0; i < 200; i++) await store.get('k' + i);
        await store.disconnect();
      })();`;
    const { stderr } = await promisify(execFile)(process.execPath, ['-e', script], { env: { ...process.env, ...env } });
    return stderr;
  }

  it('is a warning of the process where nothing listens, one for all of it', async () => {
    const silent = await output('');
    expect(silent.match(/REDIS_TIER_OUTAGE/g)).to.have.lengthOf(1);
    expect(silent).to.match(/Redis at 127\.0\.0\.1:\d+ does not serve: .*ECONNREFUSED.*\(ERR_CONNECTION, connecting\)/);
    expect(silent).to.not.contain('s3cret');
    for (const event of ['error', 'outage']) expect(await output(`store.on('${event}', () => {});`)).to.equal('');
  });

  it('can be followed with NODE_DEBUG', async () => {
    const log = await output("store.on('error', () => {});", { NODE_DEBUG: 'redis-tier' });
    expect(log).to.match(/REDIS-TIER \d+: Redis at 127\.0\.0\.1:\d+: the circuit breaker is open/);
    expect(log).to.match(/REDIS-TIER \d+: connection: ERR_CONNECTION/);
    expect(log).to.not.contain('s3cret');
  });

  it('can be followed with NODE_DEBUG: so can the replacement of connections, tracking and leases, without keys, values and tokens', async () => {
    // With a password, the server has no users of the specs: the program may make it a replica.
    const server = await RedisServer.start(['--requirepass', 's3cret']);
    const script = `
      const { redisStore } = require('${compiled('src/index.ts')}');
      const store = redisStore({ location: 'redis://:s3cret@${server.location}', near: {}, prefix: 'p' });
      const other = redisStore({ location: 'redis://:s3cret@${server.location}', prefix: 'p' });
      const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));
      (async () => {
        await store.ready();
        await sleep(300);
        const made = store.getOrSet('the-key', async () => (await sleep(300), 'the-value'), { ttl: 9000 });
        await sleep(100);
        await other.getOrSet('the-key', () => 'another-value', { ttl: 9000 });
        await made;
        await store.getOrSet('other-key', async () => { throw new Error('x'); }, { ttl: 9000 }).catch(() => {});
        const deleted = store.getOrSet('other-key', async () => (await sleep(700), 'the-value'), { ttl: 9000, lease: 600 });
        await sleep(50);
        await other.del('other-key');
        await deleted;
        await store.client.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
        await store.set('the-key', 'the-value');
        await sleep(500);
        await store.disconnect();
        await other.disconnect();
      })();`;
    const { stderr } = await promisify(execFile)(process.execPath, ['-e', script], {
      env: { ...process.env, NODE_DEBUG: 'redis-tier' },
    });
    const at = server.location.replaceAll('.', '\\.');
    for (const line of [
      `connection: connects to Redis at ${at}, beside 0 other attempts`,
      `connection: ready, Redis at ${at}`,
      `connection: ready, Redis at ${at}, in place of another one`,
      `tracking: on, Redis at ${at}`,
      `tracking: off, Redis at ${at}`,
      'lease 1: claimed for \\d+ ms',
      'lease: another process has it',
      'lease 1: ended, with a value',
      'lease 2: claimed for \\d+ ms',
      'lease 2: released',
      'lease 3: lost: it expired or was deleted',
      'lease 3: ended, and nothing was stored: .*',
    ])
      expect(stderr, line).to.match(new RegExp(`REDIS-TIER \\d+: ${line}$`, 'm'));
    expect(stderr).to.not.match(/s3cret|the-value|another-value|the-key|other-key/);
    // A token is 16 characters of base64url.
    expect(stderr).to.not.match(/(?<![\w-])[\w-]{16}(?![\w-])/);
    await server.stop();
  });
});
