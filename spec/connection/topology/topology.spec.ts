import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Nodes, TopologyConnection } from '../../../src/connection/topology/topology.js';
import { until } from '../../support/until.js';

describe('A discovery of nodes', () => {
  it('that hangs until it fails is soon followed by another', async () => {
    const { random } = Math;
    // The longest delay each time: 50, 100, 200, 400, 800 and then 1000 ms.
    Math.random = () => 1;
    const began: number[] = [];
    const ended: number[] = [];
    const nodes: Nodes = {
      primaryConnections: () => [],
      allConnections: () => [],
      dispatch: () => Promise.reject(new Error('no node')),
      async find() {
        began.push(performance.now());
        if (began.length === 6) await sleep(1000);
        ended.push(performance.now());
        throw new Error('no answer');
      },
    };
    const plan = { seeds: [], node: {}, addresses: (address: string) => address, readReplicas: false };
    const connection = new TopologyConnection(plan, { livenessTimeout: 1000, timeout: 1000, onError: () => {} }, () => nodes);
    try {
      await connection.ready().catch(() => {});
      await until(() => began.length === 7, 10_000);
      expect((began[6] as number) - (ended[5] as number)).to.be.below(700);
    } finally {
      Math.random = random;
      await connection.close(0);
    }
  });
});
