import { expect } from 'chai';
import { offlineFaces, offlineOutage, stoppablePlaces } from '../support/offline-faces.js';
import { closing, stopping } from '../support/open.js';
import { facesBeyondTheFirst } from '../support/settings.js';
import { sideBySide } from '../support/side-by-side.js';

const outage = { time: 3000, ttl: 1000, rate: 20, keys: 10 };

describe('with `offline`, an application', () => {
  const it = sideBySide(3);
  const faces = Object.entries(offlineFaces);
  const [store] = faces as [(typeof faces)[number]];

  for (const [i, [where, start]] of Object.entries(stoppablePlaces).entries())
    for (const [name, open] of i === 0 ? faces : facesBeyondTheFirst(faces, store)) {
      it(`calls its source once for a key and ttl while Redis is away, and then reads nothing older than the last write: ${name} on ${where}`, async () => {
        const place = stopping(await start());
        const [face, other] = [open({ ...place.options, offline: { ttl: outage.ttl } }), open(place.options)];
        for (const { close } of [face, other]) closing({ disconnect: close });
        const { calls, stale, isBack } = await offlineOutage(face, other, place, outage);
        expect(calls).to.be.within(place.isOutage ? outage.keys : 0, outage.keys * (outage.time / outage.ttl + 1));
        expect(stale).to.deep.equal([]);
        expect(isBack).to.equal(true);
      });
    }
});
