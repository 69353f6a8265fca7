import { expect } from 'chai';
import { slopeOf } from '../support/chaos/slope.js';

describe('the slope of the soak test', () => {
  it('is that of a straight line, without error', () => {
    const { slope, error } = slopeOf([0, 1, 2, 3].map((x) => [x, 5 + 2 * x] as const));
    expect(slope).to.be.closeTo(2, 1e-9);
    expect(error).to.be.closeTo(0, 1e-9);
  });

  it('is within a few errors of nothing where there is only noise', () => {
    const { slope, error } = slopeOf(Array.from({ length: 100 }, (_, x) => [x, Math.sin(x * x)] as const));
    expect(Math.abs(slope)).to.be.below(3 * error);
  });
});
