import { expect } from 'chai';
import type { StoreOptions } from '../../../src/index.js';
import { pause } from '../../support/cluster.js';
import { load, recovery } from '../../support/load.js';
import { openStore } from '../../support/open.js';
import { RedisServer } from '../../support/redis.js';
import { RedisSentinels } from '../../support/sentinel.js';
import { rawClient } from '../../support/wire.js';

const timeout = 1000;
const slack = 250;

describe('sentinels that fail over', () => {
  let nodes: RedisSentinels;
  const open = (more: StoreOptions = {}) =>
    openStore({ sentinel: { name: nodes.name, sentinelRootNodes: nodes.rootNodes }, timeout, onFailure: 'throw', ...more });

  beforeEach(async () => {
    nodes = await RedisSentinels.start();
  });
  afterEach(() => nodes.stop());

  for (const fault of ['killed', 'frozen', 'restarted'] as const) {
    it(`lead to the new primary soon after the promotion, every call settling in time, with the primary ${fault} under load`, async () => {
      const store = open();
      await store.ready();
      const old = await nodes.primary();
      const running = load(store);
      await pause(500);
      const start = running.now();
      if (fault === 'frozen') old.server.freeze();
      else await old.server.stop();
      if (fault === 'restarted') nodes.servers.push({ port: old.port, server: await RedisServer.start([], old.port) });
      const restarted = running.now();
      // Restarted before the sentinels saw that it was gone, it stays the primary. They look once a second, and promote another if they did.
      const back = await nodes.promoted(old, fault === 'restarted' ? 3000 : undefined);
      const promoted = back === old ? restarted : running.now();
      await pause(3500);
      const report = await running.stop();
      const after = recovery(report, promoted);
      const codes = [...new Set(report.failures.map(({ code }) => code))];
      console.log(
        `      ${fault}: ${back.port === old.port ? 'back' : 'promoted'} after ${Math.round(promoted - start)} ms, last failure ${after} ms after that, ` +
          `longest call ${Math.round(report.longest)} ms, ${report.failures.length} of ${report.calls} calls failed ${codes}`,
      );
      expect(report.wrong).to.deep.equal([]);
      expect(report.longest).to.be.below(timeout + slack);
      expect(report.failures.length).to.be.above(0);
      expect(after).to.be.below(2000);
      if (fault !== 'frozen') return;
      // The old primary wakes up and believes for a moment that it is the primary still.
      old.server.thaw();
      await store.set('after', 1);
      await pause(500);
      expect(await store.get('after')).to.equal(1);
      const redis = await rawClient(back.server);
      expect(await redis.keys('*:after')).to.have.length(1);
      redis.destroy();
    });
  }
});
