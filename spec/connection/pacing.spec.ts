import { expect } from 'chai';
import { Pacing } from '../../src/connection/pacing.js';

const [early, late] = [() => 0, () => 1];

describe('pacing with a connection that hangs', () => {
  it('grows with the cost of a handshake before a silent connection gets a rival', () => {
    const pacing = new Pacing(500, 1000);
    pacing.learn(8);
    expect([pacing.untilRival(early), pacing.untilRival(late)]).to.deep.equal([200, 1000]);
    // The slowest of a fleet has waited for all the others.
    pacing.learn(5000);
    expect(pacing.untilRival(late)).to.equal(1000);
    pacing.learn(2);
    expect(pacing.untilRival(late)).to.equal(250);
    const distant = new Pacing(500, 1000);
    distant.learn(300);
    expect(distant.untilRival(late)).to.equal(8000);
  });

  it('grows with each attempt that hangs, to 10 s and more', () => {
    const pacing = new Pacing(500, 1000);
    const waits = (random: () => number): number[] => [0, 1, 2, 3, 4, 5, 60].map((attempt) => pacing.untilNext(attempt, random));
    expect(waits(early)).to.deep.equal([1000, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    expect(waits(late)).to.deep.equal([1500, 1500, 3000, 6000, 12_000, 15_000, 15_000]);
    pacing.learn(2);
    expect(waits(early)).to.deep.equal([500, 500, 1000, 2000, 4000, 8000, 10_000]);
  });

  it('is long from the start where handshakes are dear, or may be, and never shorter than one may take', () => {
    const dear = new Pacing(500, 1000);
    dear.learn(200);
    expect(dear.untilNext(0, early)).to.equal(10_000);
    const unknown = new Pacing(500, 11_000);
    expect([unknown.untilNext(0, early), unknown.untilNext(9, early)]).to.deep.equal([11_000, 11_000]);
  });
});
