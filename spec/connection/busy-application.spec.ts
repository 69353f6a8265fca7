import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { BlockingApplication } from '../support/blocking-application.js';
import { stopping } from '../support/open.js';
import { sideBySide } from '../support/side-by-side.js';

const ways: Readonly<Record<string, StoreOptions>> = { 'node-redis': {}, 'the direct connection': { parser: 'auto' } };

/** The application saw no failure, and Redis no new connection. */
async function expectCalm(application: BlockingApplication, requests: number, connections: number): Promise<void> {
  expect(await application.report()).to.deep.equal({ requests, failures: [], wrong: [], breaker: ['closed'] });
  expect(await application.connections()).to.equal(connections);
}

describe('an application that is busy over a Redis that is well', () => {
  const it = sideBySide();

  for (const [way, options] of Object.entries(ways)) {
    it(`with requests that hold it up for 1.2 s: no call fails and no connection is replaced, over ${way}`, async () => {
      const application = stopping(await BlockingApplication.start(1200, options));
      const before = await application.connections();
      for (let i = 0; i < 2; i++) expect(await application.request()).to.equal('ok');
      // Two that arrive together.
      await Promise.all([application.request(), application.request()]);
      await expectCalm(application, 4, before);
    });

    it(`that is stopped for 5 s: no call fails and no connection is replaced, over ${way}`, async () => {
      const application = stopping(await BlockingApplication.start(200, options));
      const before = await application.connections();
      const requests = [application.request(), application.request()];
      await new Promise((resolve) => setTimeout(resolve, 100));
      await application.pause(5000);
      await Promise.all(requests);
      await application.request();
      await expectCalm(application, 3, before);
    });
  }
});
