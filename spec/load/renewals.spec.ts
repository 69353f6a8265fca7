import { expect } from 'chai';
import { maxTerms, Renewals } from '../../src/load/renewals.js';

describe('renewals of leases', () => {
  let time = 0;
  beforeEach(() => {
    time = 0;
  });

  /** Renewals whose timer runs as this time passes. */
  function renewalsOf(term: number): { renewals: Renewals; pass: (milliseconds: number) => void } {
    let [tick, gap, next] = [() => {}, 0, 0];
    const renewals = new Renewals(term, (work, between) => {
      [tick, gap, next] = [work, between, time + between];
      return { unref: () => ({}) } as NodeJS.Timeout;
    });
    const pass = (milliseconds: number): void => {
      const end = time + milliseconds;
      for (; next <= end; next += gap) {
        time = next;
        tick();
      }
      time = end;
    };
    return { renewals, pass };
  }

  it('begin after a third of the first term and before half of it, whenever the lease was claimed, and go on in thirds', () => {
    for (let after = 0; after < 600; after += 10) {
      const { renewals, pass } = renewalsOf(600);
      pass(after);
      const began = time;
      const renewed: number[] = [];
      renewals.begin({ renew: () => renewed.push(time - began) });
      pass(1800);
      expect(renewed[0]).to.be.within(200, 300);
      const gaps = renewed.slice(1).map((at, i) => at - (renewed[i] as number));
      expect(Math.max(...gaps)).to.equal(200);
      expect(renewed.at(-1)).to.be.above(1600 - 1);
    }
  });

  it('leave a load alone that is soon over', () => {
    const { renewals, pass } = renewalsOf(600);
    pass(50);
    let count = 0;
    const lease = { renew: () => count++ };
    renewals.begin(lease);
    pass(180);
    renewals.end(lease);
    pass(6000);
    expect(count).to.equal(0);
  });

  it('end after so many terms', () => {
    const { renewals, pass } = renewalsOf(600);
    let last = 0;
    renewals.begin({
      renew: () => {
        last = time;
      },
    });
    pass(600 * maxTerms * 2);
    expect(last).to.be.within(600 * maxTerms - 200, 600 * maxTerms);
  });
});
