import { expect } from 'chai';
import type { StoreOptions } from '../../../src/index.js';
import { type ClusterNode, pause, RedisCluster } from '../../support/cluster.js';
import { load, recovery } from '../../support/load.js';
import { openStore } from '../../support/open.js';

const timeout = 1000;
const slack = 250;

describe('a cluster that fails over', () => {
  let cluster: RedisCluster;
  const open = (more: StoreOptions = {}) => openStore({ cluster: { rootNodes: cluster.rootNodes }, timeout, onFailure: 'throw', ...more });
  const primaryOf = async (index: number): Promise<{ node: ClusterNode; slot: number }> => {
    const { node, slots } = (await cluster.primaries())[index] as Awaited<ReturnType<RedisCluster['primaries']>>[number];
    return { node, slot: (slots[0] as [number, number])[0] };
  };

  beforeEach(async () => {
    cluster = await RedisCluster.start({ spare: 1 });
  });
  afterEach(() => cluster.stop());

  for (const fault of ['killed', 'frozen'] as const) {
    it(`settles every call in time and is whole again soon after the promotion, with a primary ${fault} under load`, async () => {
      const store = open();
      await store.ready();
      const { node, slot } = await primaryOf(1);
      const running = load(store);
      await pause(500);
      const start = running.now();
      if (fault === 'killed') await node.server.stop();
      else node.server.freeze();
      await cluster.promoted(slot, node);
      const promoted = running.now();
      await pause(3500);
      const report = await running.stop();
      const back = recovery(report, promoted);
      const codes = [...new Set(report.failures.map(({ code }) => code))];
      console.log(
        `      ${fault}: promoted after ${Math.round(promoted - start)} ms, last failure ${back} ms after that, ` +
          `longest call ${Math.round(report.longest)} ms, ${report.failures.length} of ${report.calls} calls failed ${codes}`,
      );
      expect(report.wrong).to.deep.equal([]);
      expect(report.longest).to.be.below(timeout + slack);
      expect(report.failures.length).to.be.above(0);
      expect(back).to.be.below(2000);
      // The others were not held up: two thirds of the calls and more went through all the while.
      expect(report.failures.length / report.calls).to.be.below(0.5);
      if (fault === 'frozen') node.server.thaw();
      await pause(1000);
      await store.set('after', 1);
      expect(await store.get('after')).to.equal(1);
    });
  }
});
