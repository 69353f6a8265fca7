import { expect } from 'chai';
import { History } from '../support/chaos/history.js';

describe('the checker of the chaos suite', () => {
  let now = 0;
  let history: History;
  beforeEach(() => {
    now = 0;
    history = new History(() => now);
  });

  function read(key: string, value: unknown): string[] {
    history.endRead(history.beginRead(key), value, 'get');
    return history.violations;
  }

  it('takes a miss, and the value that was written last', () => {
    const [first, second] = [history.beginWrite('a'), history.beginWrite('a')];
    history.stored(first);
    history.stored(second);
    read('a', undefined);
    expect(read('a', history.valueOf(second))).to.deep.equal([]);
  });

  it('refuses what was never written, another key’s value, and a damaged one', () => {
    const write = history.beginWrite('a');
    history.stored(write);
    const value = history.valueOf(write);
    expect(read('a', { ...value, seq: 7 })).to.have.length(1);
    expect(read('b', value)).to.have.length(2);
    expect(read('a', { ...value, pad: 'y' })).to.have.length(3);
    expect(read('a', 'text')).to.have.length(4);
  });

  it('refuses a value that an acknowledged write or deletion came after', () => {
    const [a, b] = [history.beginWrite('a'), history.beginWrite('b')];
    history.stored(a);
    history.stored(b);
    history.stored(history.beginWrite('a'));
    history.erased(history.beginErasure('b'));
    expect(read('a', history.valueOf(a))).to.have.length(1);
    expect(read('b', history.valueOf(b))).to.have.length(2);
  });

  it('takes either of two writes that overlapped, and the old value where the read began before the deletion was acknowledged', () => {
    const [first, second] = [history.beginWrite('a'), history.beginWrite('a')];
    history.stored(second);
    history.stored(first);
    expect(read('a', history.valueOf(first))).to.deep.equal([]);
    expect(read('a', history.valueOf(second))).to.deep.equal([]);
    const early = history.beginRead('a');
    history.erased(history.beginErasure('a'));
    history.endRead(early, history.valueOf(second), 'get');
    expect(history.violations).to.deep.equal([]);
  });

  it('takes a write of unknown outcome at any time until everything has settled, and not after it was superseded then', () => {
    const lost = history.beginWrite('a');
    history.stored(history.beginWrite('a'));
    expect(read('a', history.valueOf(lost))).to.deep.equal([]);
    history.settle();
    expect(read('a', history.valueOf(lost))).to.deep.equal([]);
    history.erased(history.beginErasure('a'));
    expect(read('a', history.valueOf(lost))).to.have.length(1);
  });

  it('lets a deletion of unknown outcome supersede nothing', () => {
    const write = history.beginWrite('a');
    history.stored(write);
    history.beginErasure('a');
    history.settle();
    expect(read('a', history.valueOf(write))).to.deep.equal([]);
  });

  it('refuses a value past its time to live', () => {
    const write = history.beginWrite('a', 1000);
    history.stored(write);
    now = 1000;
    expect(read('a', history.valueOf(write))).to.deep.equal([]);
    now = 1101;
    expect(read('a', history.valueOf(write))).to.have.length(1);
  });

  it('refuses that a key is there after it was deleted or has expired, unless it may have been written again', () => {
    const has = (): string[] => {
      history.endHas(history.beginRead('a'), true, 'has');
      return history.violations;
    };
    expect(has()).to.have.length(1);
    history.stored(history.beginWrite('a', 1000));
    expect(has()).to.have.length(1);
    history.erased(history.beginErasure('a'));
    expect(has()).to.have.length(2);
    const meanwhile = history.beginRead('a');
    history.beginWrite('a');
    history.endHas(meanwhile, true, 'has');
    expect(has()).to.have.length(2);
  });

  it('takes older values from a reader of replicas, and no others', () => {
    const old = history.beginWrite('a');
    history.stored(old);
    history.stored(history.beginWrite('a'));
    history.endRead(history.beginRead('a'), history.valueOf(old), 'get', true);
    expect(history.violations).to.deep.equal([]);
    history.endRead(history.beginRead('b'), history.valueOf(old), 'get', true);
    expect(history.violations).to.have.length(1);
  });

  it('takes older values again after a rollback, until the next acknowledged write', () => {
    const old = history.beginWrite('a');
    history.stored(old);
    history.stored(history.beginWrite('a'));
    history.rollBack();
    history.stored(history.beginWrite('a'));
    expect(read('a', history.valueOf(old))).to.deep.equal([]);
    history.settle();
    expect(read('a', history.valueOf(old))).to.deep.equal([]);
    history.stored(history.beginWrite('a'));
    expect(read('a', history.valueOf(old))).to.have.length(1);
  });
});
