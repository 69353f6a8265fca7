import { expect } from 'chai';
import { keyWeight } from '../../src/near/entry.js';
import { RememberedKeys } from '../../src/near/remembered-keys.js';

describe('remembered keys', () => {
  const keys = (count: number, length = 1): string[] => Array.from({ length: count }, (_, i) => `${i}`.padEnd(length, '.'));

  it('are the last ones: half as many as there are entries at least, and as many at most', () => {
    const remembered = new RememberedKeys(2 ** 30);
    for (const [i, key] of keys(1000).entries()) {
      remembered.add(key, 100);
      expect(remembered.size).to.be.within(Math.min(i + 1, 50), 100);
    }
    expect(keys(1000).filter((key) => remembered.delete(key))).to.deep.equal(keys(1000).slice(900));
    expect(remembered.size).to.equal(0);
  });

  it('take half of the bytes of the entries at most, however long they are', () => {
    const remembered = new RememberedKeys(40_000);
    for (const length of [872, 3000, 20, 9872]) {
      for (const key of keys(200, length)) {
        remembered.add(key, 1000);
        expect(remembered.size).to.be.above(0);
      }
      expect(remembered.size * keyWeight(keys(1, length)[0] as string)).to.be.within(10_000, 20_000);
    }
    const before = remembered.size;
    remembered.add(keys(1, 9873)[0] as string, 1000);
    expect(remembered.size).to.equal(before);
  });

  it('make room for others when they return', () => {
    const remembered = new RememberedKeys(40_000);
    for (let i = 0; i < 1000; i++) {
      remembered.add(`${i}`.padEnd(4000, '.'), 10);
      expect(remembered.delete(`${i}`.padEnd(4000, '.'))).to.equal(true);
    }
    const [one, two] = keys(2, 4000) as [string, string];
    remembered.add(one, 10);
    remembered.add(two, 10);
    expect([remembered.delete(one), remembered.delete(one), remembered.delete(two)]).to.deep.equal([true, false, true]);
  });

  it('are none after clear()', () => {
    const remembered = new RememberedKeys(2 ** 30);
    for (const key of keys(80)) remembered.add(key, 100);
    remembered.clear();
    expect([remembered.size, ...keys(80).map((key) => remembered.delete(key))]).to.deep.equal([0, ...keys(80).map(() => false)]);
  });
});
