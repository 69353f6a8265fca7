import { runApplication } from '../support/chaos/application.js';
import { applicationFaults, both } from '../support/chaos/application-faults.js';
import { type OneServer, oneServer } from '../support/chaos/one-server.js';
import { check } from './check.js';
import { randomFor, seed } from './options.js';

describe(`chaos: a process of its own, seed ${seed}`, () => {
  let server: OneServer;
  before(async () => {
    server = await oneServer.start(randomFor('application'));
  });
  after(() => server?.stop());

  for (const fault of applicationFaults) {
    it(`keeps every promise while ${fault}, and then its server fails as well`, async () => {
      const random = randomFor(`application ${fault}`);
      const other = both(fault, random.pick(oneServer.faults));
      console.log(`      ${other}`);
      const steps = [
        { fault, length: 2500 },
        { fault: other, length: 1500 },
      ];
      check(await runApplication(server, steps, random));
    });
  }
});
