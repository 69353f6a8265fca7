import { expect } from 'chai';
import { History } from '../support/chaos/history.js';
import type { Order, Reader, Write } from '../support/chaos/what-happened.js';

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
    history.erased('b', history.beginErasure());
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
    history.erased('a', history.beginErasure());
    history.endRead(early, history.valueOf(second), 'get');
    expect(history.violations).to.deep.equal([]);
  });

  it('takes a write of unknown outcome at any time until everything has settled, and not after it was superseded then', () => {
    const lost = history.beginWrite('a');
    history.stored(history.beginWrite('a'));
    expect(read('a', history.valueOf(lost))).to.deep.equal([]);
    history.settle();
    expect(read('a', history.valueOf(lost))).to.deep.equal([]);
    history.erased('a', history.beginErasure());
    expect(read('a', history.valueOf(lost))).to.have.length(1);
  });

  it('lets a deletion of unknown outcome supersede nothing', () => {
    const write = history.beginWrite('a');
    history.stored(write);
    history.beginErasure();
    history.settle();
    expect(read('a', history.valueOf(write))).to.deep.equal([]);
  });

  it('refuses a value past its time to live', () => {
    const write = history.beginWrite('a', { ttl: 1000 });
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
    history.stored(history.beginWrite('a', { ttl: 1000 }));
    expect(has()).to.have.length(1);
    history.erased('a', history.beginErasure());
    expect(has()).to.have.length(2);
    const meanwhile = history.beginRead('a');
    history.beginWrite('a');
    history.endHas(meanwhile, true, 'has');
    expect(has()).to.have.length(2);
  });

  it('takes older values from a reader of replicas, and no others', () => {
    const behind = { title: 'behind', staleness: 0, behind: true, ordered: true };
    const old = history.beginWrite('a');
    history.stored(old);
    history.stored(history.beginWrite('a'));
    history.endRead(history.beginRead('a', behind), history.valueOf(old), 'get');
    expect(history.violations).to.deep.equal([]);
    history.endRead(history.beginRead('b', behind), history.valueOf(old), 'get');
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

  it('takes from a near cache what others have overwritten a moment ago, and not what it has itself', () => {
    const near = { title: 'near', staleness: 1000, behind: false, ordered: true };
    const get = (value: unknown): number => {
      history.endRead(history.beginRead('a', near), value, 'get');
      return history.violations.length;
    };
    const old = history.beginWrite('a');
    history.stored(old);
    now = 5000;
    history.stored(history.beginWrite('a'));
    now = 5999;
    expect(get(history.valueOf(old))).to.equal(0);
    const own = history.beginWrite('a');
    history.stored(own, near);
    expect(get(history.valueOf(old))).to.equal(1);
    now = 7000;
    history.erased('a', history.beginErasure());
    history.settle();
    expect(get(history.valueOf(own))).to.equal(1);
    now = 8001;
    expect(get(history.valueOf(own))).to.equal(2);
  });

  it('refuses from a store whose deletion waits what others may still read', () => {
    const queue = { title: 'queue', staleness: 0, behind: false, ordered: true };
    const write = history.beginWrite('a');
    history.stored(write);
    history.erasedFor(queue, 'a', history.beginErasure());
    expect(read('a', history.valueOf(write))).to.deep.equal([]);
    history.endRead(history.beginRead('a', queue), history.valueOf(write), 'get');
    expect(history.violations).to.have.length(1);
  });

  it('refuses what was written with a tag that was invalidated since, and nothing else', () => {
    const [tagged, other] = [history.beginWrite('a', { tags: ['t', 'u'] }), history.beginWrite('b', { tags: ['t'] })];
    history.stored(tagged);
    history.stored(other);
    const early = history.beginRead('a');
    history.invalidated(['u'], history.beginErasure());
    history.endRead(early, history.valueOf(tagged), 'get');
    expect(read('b', history.valueOf(other))).to.deep.equal([]);
    expect(read('a', history.valueOf(tagged))).to.have.length(1);
    const invalidation = history.beginErasure();
    const during = history.beginWrite('b', { tags: ['t'] });
    history.stored(during);
    history.invalidated(['t'], invalidation);
    expect(read('b', history.valueOf(during))).to.have.length(1);
  });

  it('takes a value in its stale window from a reader that serves those, and from no other', () => {
    const write = history.beginWrite('a', { ttl: 1000, staleFor: 500 });
    history.stored(write);
    now = 1500;
    history.endRead(history.beginRead('a'), history.valueOf(write), 'getOrSet', true);
    history.endHas(history.beginRead('a'), true, 'has');
    expect(history.violations).to.deep.equal([]);
    expect(read('a', history.valueOf(write))).to.have.length(1);
    now = 1700;
    history.endRead(history.beginRead('a'), history.valueOf(write), 'getOrSet', true);
    expect(history.violations).to.have.length(2);
  });

  it('refuses a failed write that undoes a later one of the same writer, and of others if the network keeps their order', () => {
    const [one, two] = ['one', 'two'].map((title) => ({ title, staleness: 0, behind: false, ordered: true })) as [Reader, Reader];
    const fail = (key: string, order: Order, then: Reader): Write => {
      const lost = history.beginWrite(key);
      history.failed(lost, one);
      history.order = order;
      history.stored(history.beginWrite(key), then);
      return lost;
    };
    expect(read('a', history.valueOf(fail('a', 'nowhere', one)))).to.have.length(0);
    expect(read('b', history.valueOf(fail('b', 'per writer', two)))).to.have.length(0);
    expect(read('c', history.valueOf(fail('c', 'per writer', one)))).to.have.length(1);
    expect(read('d', history.valueOf(fail('d', 'everywhere', two)))).to.have.length(2);
  });

  it('takes a write that failed after the next one had begun, or whose writer uses several connections', () => {
    const several = { title: 'several', staleness: 0, behind: false, ordered: false };
    const [early, pooled] = [history.beginWrite('a'), history.beginWrite('b')];
    const next = history.beginWrite('a');
    history.failed(early);
    history.stored(next);
    expect(read('a', history.valueOf(early))).to.deep.equal([]);
    history.failed(pooled, several);
    history.order = 'per writer';
    history.stored(history.beginWrite('b'), several);
    expect(read('b', history.valueOf(pooled))).to.deep.equal([]);
  });
});
