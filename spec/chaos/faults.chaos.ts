import { cluster } from '../support/chaos/cluster.js';
import { oneServer } from '../support/chaos/one-server.js';
import { run } from '../support/chaos/run.js';
import { sentinels } from '../support/chaos/sentinel.js';
import { ramp, rampTime, type Topology, type TopologyKind } from '../support/chaos/topology.js';
import { check } from './check.js';
import { minutesOr, randomFor, seed } from './options.js';

/** Every topology that the faults are tried on. */
const kinds: readonly TopologyKind[] = [oneServer, cluster, sentinels];

for (const kind of kinds) {
  describe(`chaos: ${kind.title}, seed ${seed}`, () => {
    let topology: Topology;
    before(async () => {
      topology = await kind.start(randomFor(kind.title));
      // Once without faults, so that what is compiled and kept from then on does not count.
      await run(topology, [], randomFor('warm-up'));
    });
    after(() => topology?.stop());

    for (const fault of kind.faults) {
      it(`keeps every promise while ${fault}`, async () => {
        const random = randomFor(`${kind.title} ${fault}`);
        const length = fault === ramp ? rampTime : random.integer(1000, 1300);
        check(await run(topology, [{ fault, length }], random));
      });
    }

    it('keeps every promise while one fault follows another', async () => {
      const random = randomFor(`${kind.title} one after another`);
      const end = performance.now() + minutesOr(0.5) * (60_000 / kinds.length);
      // In slices, so that a long run does not wait for its end to tell what it has found.
      do {
        const steps = Array.from({ length: 5 }, () => ({ fault: random.pick(kind.faults), length: random.integer(200, 3000) }));
        console.log(`      ${steps.map(({ fault, length }) => `${fault} (${length} ms)`).join(', ')}`);
        check(await run(topology, steps, random));
      } while (performance.now() < end);
    });
  });
}
