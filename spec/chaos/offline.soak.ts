import { expect } from 'chai';
import { offlineFaces, offlineOutage, stoppablePlaces } from '../support/offline-faces.js';
import { closing, stopping } from '../support/open.js';

const outage = { time: 30_000, ttl: 5000, rate: 20, keys: 10 };

describe('with `offline`, an application that lives 30 s without Redis', () => {
  for (const [where, start] of Object.entries(stoppablePlaces))
    it(`calls its source once for a key and ttl, and then reads nothing older than the last write: ${where}`, async () => {
      for (const [name, open] of Object.entries(offlineFaces)) {
        const place = stopping(await start());
        const [face, other] = [open({ ...place.options, offline: { ttl: outage.ttl } }), open(place.options)];
        for (const { close } of [face, other]) closing({ disconnect: close });
        const { calls, stale, isBack } = await offlineOutage(face, other, place, outage);
        console.log(`      ${name}: ${calls} calls of the source`);
        // While other nodes answer, Redis is not away: the keys of the one that does not are misses, and each request calls the source.
        if (place.isOutage) expect(calls, name).to.be.within(outage.keys, outage.keys * (outage.time / outage.ttl + 1));
        expect(stale, name).to.deep.equal([]);
        expect(isBack, name).to.equal(true);
      }
    });
});
