import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { BlockingApplication } from '../support/blocking-application.js';
import { stopping } from '../support/open.js';

const ways: Readonly<Record<string, StoreOptions>> = { 'node-redis': {}, 'the direct connection': { parser: 'auto' } };
const requests = 100;

describe('an application that holds up its event loop for 1.2 s in each request, over a Redis that is well', () => {
  for (const [way, options] of Object.entries(ways)) {
    it(`sees no failed call and no new connection in ${requests} of them, over ${way}`, async () => {
      const application = stopping(await BlockingApplication.start(1200, options));
      const before = await application.connections();
      for (let i = 0; i < requests; i++) {
        await application.request();
        // Also while it is stopped, now and then.
        if (i % 20 === 10) await Promise.all([application.request(), application.pause(5000)]);
      }
      const { failures, wrong, breaker } = await application.report();
      expect({ failures, wrong, breaker }).to.deep.equal({ failures: [], wrong: [], breaker: ['closed'] });
      expect(await application.connections()).to.equal(before);
    });
  }
});
