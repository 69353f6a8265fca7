import { expect } from 'chai';
import { StoredEntry } from '../../src/codec/entry.js';
import { type NearEntry, newNearEntry, useInterval, weight } from '../../src/near/entry.js';
import { TwoQueues } from '../../src/near/two-queues.js';
import { random } from '../support/random.js';

/** How often each entry was evicted. */
const evictions = new Map<NearEntry, number>();

function entryOf(bytes: number): NearEntry {
  const near = newNearEntry(StoredEntry.parse('x'.repeat(bytes), 'near'), Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
  evictions.set(near, 0);
  Object.defineProperty(near, 'isEvicted', {
    get: () => (evictions.get(near) as number) > 0,
    set: () => evictions.set(near, (evictions.get(near) as number) + 1),
  });
  return near;
}

interface Bounds {
  readonly max: number;
  readonly maxBytes: number;
}

/** With the size that an entry had when it came: one that is evicted has none. */
type Held = [key: string, near: NearEntry, bytes: number][];

/** The same in lists, the next to leave first. */
class Model {
  readonly #bounds: Bounds;
  small: Held = [];
  main: Held = [];
  young: string[] = [];
  old: string[] = [];

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get all(): Held {
    return [...this.small, ...this.main];
  }

  get bytes(): number {
    return bytesOf(this.all);
  }

  /** `isNoted`: whether enough time has passed since the last use. */
  get(key: string, isNoted: (near: NearEntry) => boolean, uses: Map<NearEntry, number>): NearEntry | undefined {
    const found = this.all.find(([each]) => each === key);
    if (!found) return undefined;
    const [, near] = found;
    const isProven = this.main.includes(found);
    if (isNoted(near)) uses.set(near, (uses.get(near) ?? 0) + 1);
    if (!isProven && (uses.get(near) ?? 0) < 2) return near;
    this.#take(key);
    this.main.push(found);
    return near;
  }

  set(key: string, near: NearEntry, bytes: number): void {
    this.delete(key);
    const { max, maxBytes } = this.#bounds;
    if (bytes > maxBytes) return;
    const isProven = [...this.young, ...this.old].includes(key);
    this.young = this.young.filter((each) => each !== key);
    this.old = this.old.filter((each) => each !== key);
    while (this.all.length + 1 > max || this.bytes + bytes > maxBytes) {
      const isFull = this.small.length >= max / 10 || bytesOf(this.small) >= maxBytes / 10;
      if (isFull || this.main.length === 0) {
        const [oldest] = this.small.shift() as Held[number];
        this.#remember(oldest);
      } else this.main.shift();
    }
    (isProven ? this.main : this.small).push([key, near, bytes]);
  }

  delete(key: string): void {
    const isProven = this.main.some(([each]) => each === key);
    this.#take(key);
    if (isProven) this.#remember(key);
  }

  clear(): void {
    this.small = [];
    this.main = [];
    this.young = [];
    this.old = [];
  }

  #take(key: string): void {
    this.small = this.small.filter(([each]) => each !== key);
    this.main = this.main.filter(([each]) => each !== key);
  }

  #remember(key: string): void {
    if (128 + key.length > this.#bounds.maxBytes / 4) return;
    const bytes = [...this.young, key].reduce((sum, each) => sum + 128 + each.length, 0);
    if (this.young.length >= this.all.length / 2 || bytes > this.#bounds.maxBytes / 4) {
      this.old = this.young;
      this.young = [];
    }
    this.young.push(key);
  }
}

const bytesOf = (held: Held): number => held.reduce((sum, [, , bytes]) => sum + bytes, 0);
const large = 2 ** 30;

describe('the two queues of the near tier', () => {
  beforeEach(() => evictions.clear());

  const keys = (count: number, name = 'k'): string[] => Array.from({ length: count }, (_, i) => `${name}${i}`);
  let now = 0;
  /** Each use comes long enough after the last one to be noted. */
  function use(queues: TwoQueues, key: string): NearEntry | undefined {
    now += 2 * useInterval;
    return queues.get(key, now);
  }
  function fill(queues: TwoQueues, names: readonly string[]): void {
    for (const name of names) queues.set(name, entryOf(10));
  }
  const held = (queues: TwoQueues, names: readonly string[]): string[] => {
    const all = new Set(queues.rkeys());
    return names.filter((name) => all.has(name));
  };

  for (const bounds of [
    { max: 1, maxBytes: large },
    { max: 2, maxBytes: 2000 },
    { max: 15, maxBytes: large },
    { max: 40, maxBytes: 6000 },
    { max: 1000, maxBytes: 9000 },
  ])
    it(`hold what a simple model holds, of ${bounds.max} entries and ${bounds.maxBytes} bytes at most, and evict each entry once`, () => {
      const next = random(bounds.max);
      const pick = (count: number): number => Math.floor(next() * count);
      const [queues, model] = [new TwoQueues(bounds), new Model(bounds)];
      const uses = new Map<NearEntry, number>();
      const used = new Map<NearEntry, number>();
      const tooLarge = new Set<NearEntry>();
      for (let i = 0; i < 6000; i++) {
        now += pick(useInterval);
        // Low numbers are more frequent. Some keys are long.
        const number = pick(1 + pick(150));
        const key = `k${number}`.padEnd(number % 20 === 7 ? 700 : 1, '.');
        const turn = next();
        if (turn < 0.55) {
          const isNoted = (near: NearEntry): boolean => {
            const noted = now - (used.get(near) ?? Number.NEGATIVE_INFINITY) > useInterval;
            if (noted) used.set(near, now);
            return noted;
          };
          expect(queues.get(key, now)).to.equal(model.get(key, isNoted, uses));
        } else if (turn < 0.93) {
          const near = entryOf(pick(8) === 0 ? pick(12_000) : pick(200));
          const bytes = weight(key, near);
          if (bytes > bounds.maxBytes) tooLarge.add(near);
          queues.set(key, near);
          model.set(key, near, bytes);
        } else if (turn < 0.999) {
          queues.delete(key);
          model.delete(key);
        } else {
          queues.clear();
          model.clear();
        }
        expect(queues.size).to.be.at.most(bounds.max);
        expect(queues.calculatedSize).to.be.at.most(bounds.maxBytes);
        expect(queues.calculatedSize).to.equal(model.bytes);
        expect(queues.remembered).to.equal(model.young.length + model.old.length);
        expect(queues.remembered).to.be.at.most(bounds.max + 1);
        expect([...queues.rkeys()]).to.deep.equal(model.all.map(([each]) => each));
      }
      queues.clear();
      for (const [near, times] of evictions) expect(times).to.equal(tooLarge.has(near) ? 0 : 1);
    });

  it('keep what was used twice through a scan, and of the rest as many as a tenth', () => {
    const queues = new TwoQueues({ max: 100, maxBytes: large });
    const hot = keys(50, 'hot');
    fill(queues, hot);
    for (let i = 0; i < 2; i++) for (const key of hot) use(queues, key);
    fill(queues, keys(1000, 'scanned'));
    expect(held(queues, hot)).to.deep.equal(hot);
    expect(queues.size).to.equal(100);
  });

  it('take the uses of a burst for one: what is read often within 100 ms and then not again leaves with a scan', () => {
    const queues = new TwoQueues({ max: 100, maxBytes: large });
    fill(queues, ['burst', 'twice']);
    for (const key of ['burst', 'twice']) for (let i = 0; i < 1000; i++) queues.get(key, i / 10);
    queues.get('twice', useInterval + 1);
    fill(queues, keys(1000, 'scanned'));
    expect(held(queues, ['burst', 'twice'])).to.deep.equal(['twice']);
  });

  it('keep a key that is read more rarely than the small queue is renewed from its second read on', () => {
    const queues = new TwoQueues({ max: 100, maxBytes: large });
    for (let round = 0; round < 5; round++) {
      expect(use(queues, 'rare') !== undefined, `round ${round}`).to.equal(round > 1);
      if (round < 2) fill(queues, ['rare']);
      // More than the small queue holds, and no more than are remembered.
      fill(queues, keys(round === 0 ? 150 : 50, `other${round}:`));
    }
  });

  it('take back to the main queue what was deleted from it', () => {
    for (const [uses, isBack] of [
      [2, true],
      [0, false],
    ] as const) {
      const queues = new TwoQueues({ max: 100, maxBytes: large });
      fill(queues, [...keys(90), 'k']);
      for (let i = 0; i < uses; i++) use(queues, 'k');
      queues.delete('k');
      expect(queues.get('k', now)).to.equal(undefined);
      fill(queues, ['k', ...keys(200, 'scanned')]);
      expect(held(queues, ['k'])).to.deep.equal(isBack ? ['k'] : []);
    }
  });

  it('let go of an old working set when another has come', () => {
    const queues = new TwoQueues({ max: 100, maxBytes: large });
    for (const name of ['old', 'new'])
      for (let round = 0; round < 5; round++) for (const key of keys(80, name)) if (use(queues, key) === undefined) fill(queues, [key]);
    expect(held(queues, keys(80, 'new'))).to.have.length(80);
  });

  it('keep the newest, however much of the bytes it takes, and nothing that is larger than all', () => {
    const queues = new TwoQueues({ max: 100, maxBytes: 10_000 });
    fill(queues, keys(50));
    const before = queues.size;
    queues.set('largest', entryOf(10_000));
    expect(queues.size).to.equal(before);
    queues.set('large', entryOf(9000));
    expect(held(queues, ['large'])).to.deep.equal(['large']);
    expect(queues.calculatedSize).to.be.at.most(10_000);
  });

  it('remember no more keys than there are entries, and none after clear()', () => {
    const queues = new TwoQueues({ max: 100, maxBytes: large });
    let most = 0;
    for (const key of keys(1000)) {
      fill(queues, [key]);
      most = Math.max(most, queues.remembered);
    }
    expect(most).to.equal(100);
    queues.clear();
    expect([queues.size, queues.calculatedSize, queues.remembered]).to.deep.equal([0, 0, 0]);
    fill(queues, [...keys(1000), ...keys(200, 'scanned')]);
    expect(held(queues, keys(1000))).to.deep.equal([]);
  });
});
