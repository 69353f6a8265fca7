import { Floor } from './floor.js';
import type { Erasure, Order, Read, Reader, Terms, Value, Write } from './what-happened.js';

interface Key {
  /** The writes that may still be read. Superseded ones leave it at a `settle`, once no reader may be so far behind. */
  readonly writes: Map<number, Write>;
  seq: number;
  /** When the latest of the acknowledged writes and deletions began: what had taken effect by then is not there any more. */
  readonly floor: Floor;
  /** The same for one reader alone: what he has deleted is gone for him before it is for others. */
  readonly own: Map<string, number>;
  /** Acknowledgements may be undone, so anything of before may be there. */
  rolledBack: boolean;
  /** When that was over, by the clock. */
  certain: number;
}

/** Redis expires by its own clock. */
const clockSlack = 100;
/** No reader is further behind than this. */
const furthest = 2000;

const someone: Reader = { title: 'somebody', staleness: 0, behind: false, ordered: true };

const padOf = (seq: number): string => (seq % 50 === 0 ? 'x'.repeat(40_000 + seq) : 'x'.repeat(seq % 200));

/**
 * The checker. A value that was read must have been written under that key, and must not have been superseded before the read
 * began: by a write or deletion that was acknowledged before the read began, and began after the value's own write had taken
 * effect. A write whose outcome is unknown (it failed, it timed out) may take effect at any time until {@link settle}; so may a
 * deletion, which therefore supersedes nothing. But once its writer was told that a write failed, a later write or deletion of
 * the same writer that is acknowledged is not undone by it; nor is one of any other, where the network keeps the order between
 * connections. An invalidated tag deletes all that was written with it. A miss is always right: it is a cache.
 *
 * Order is that of the events in this process, which is one thread: a counter, not a clock.
 */
export class History {
  readonly violations: string[] = [];
  readonly #keys = new Map<string, Key>();
  readonly #tags = new Map<string, Floor>();
  /** Until the next {@link settle}, by which time nothing is on its way any more. */
  order: Order = 'everywhere';
  /** What goes on, for the words of a violation. */
  phase = '';
  #events = 0;
  #unsure = false;

  constructor(readonly now: () => number = () => performance.now()) {}

  beginWrite(key: string, terms: Terms = {}): Write {
    const state = this.#of(key);
    const unknown = Number.POSITIVE_INFINITY;
    const write: Write = { ...terms, key, seq: state.seq++, began: ++this.#events, latest: unknown, gone: unknown };
    state.writes.set(write.seq, write);
    return write;
  }

  beginErasure(): Erasure {
    return { began: ++this.#events };
  }

  valueOf({ key, seq }: Write): Value {
    return { key, seq, pad: padOf(seq) };
  }

  /** The write is in Redis: what was there before is not. */
  stored(write: Write, by: Reader = someone): void {
    this.tookEffect(write);
    this.#supersede(write.key, write.began, by);
    this.erasedFor(by, write.key, write);
  }

  /** The writer was told that it failed. It may have taken effect nevertheless, or still do so. */
  failed(write: Write, by: Reader = someone): void {
    write.failed = { by: by.ordered ? by.title : '', at: ++this.#events };
  }

  /** The write is over, in Redis or not: it supersedes nothing, but can be superseded. */
  tookEffect(write: Write): void {
    write.latest = ++this.#events;
    this.#expires(write);
  }

  erased(key: string, { began }: Erasure, by: Reader = someone): void {
    this.#events++;
    this.#supersede(key, began, by);
    this.erasedFor(by, key, { began });
  }

  /** One reader must not see any more what was there before. Others may. */
  erasedFor({ title }: Reader, key: string, { began }: Erasure): void {
    if (this.#unsure) return;
    const { own } = this.#of(key);
    own.set(title, Math.max(own.get(title) ?? 0, began));
  }

  invalidated(tags: readonly string[], { began }: Erasure): void {
    this.#events++;
    if (!this.#unsure) for (const tag of tags) this.#tag(tag).raise(began, this.now());
  }

  beginRead(key: string, reader = someone): Read {
    const state = this.#of(key);
    const at = this.now();
    const known = at - reader.staleness;
    const floor = Math.max(state.floor.asOf(known), state.own.get(reader.title) ?? 0);
    const rolledBack = state.rolledBack || (reader.staleness > 0 && known < state.certain);
    const inTime = ({ gone, staleFor = 0 }: Write): boolean => gone + staleFor >= at;
    const mayBeThere = rolledBack || [...state.writes.values()].some((write) => write.latest > floor && inTime(write));
    const tags = new Map([...this.#tags].map(([tag, each]) => [tag, each.asOf(known)]));
    return { key, reader, floor, tags, at, mayBeThere, writes: state.seq, rolledBack };
  }

  /** `ageing`: takes what is past its time, within the stale window. */
  endRead(read: Read, value: unknown, by: string, ageing = false): void {
    const wrong = value === undefined || value === null ? undefined : this.#wrong(read, value as Value, ageing);
    if (wrong) this.violation(`${by} of ${read.key}: ${wrong}`);
  }

  endHas(read: Read, there: unknown, by: string): void {
    const state = this.#of(read.key);
    if (there === true && !read.reader.behind && !read.mayBeThere && !state.rolledBack && state.seq === read.writes) {
      this.violation(`${by} of ${read.key}: there, although deleted or expired before`);
    }
  }

  /** From now until {@link settle}, and shortly before, acknowledgements count for nothing. */
  rollBack(): void {
    this.#unsure = true;
    for (const state of this.#keys.values()) {
      state.rolledBack = true;
      state.floor.forget();
      state.own.clear();
    }
    for (const floor of this.#tags.values()) floor.forget();
  }

  /** Nothing is under way, and nothing sent earlier can arrive any more: what has not taken effect by now never will. */
  settle(): void {
    const settled = ++this.#events;
    this.#unsure = false;
    this.order = 'everywhere';
    for (const state of this.#keys.values()) {
      // Whatever came back, the next acknowledged write or deletion supersedes it.
      for (const write of state.writes.values()) {
        if (write.latest === Number.POSITIVE_INFINITY || state.rolledBack) {
          write.latest = settled;
          this.#expires(write);
        }
        if (!state.rolledBack && write.latest <= state.floor.asOf(this.now() - furthest)) state.writes.delete(write.seq);
      }
    }
  }

  violation(text: string): void {
    if (this.violations.length < 50) this.violations.push(this.phase === '' ? text : `${text} (${this.phase})`);
  }

  /** What is wrong with a value that was read, in words. */
  #wrong(read: Read, { key, seq, pad }: Value, ageing: boolean): string | undefined {
    const state = this.#of(read.key);
    if (key !== read.key) return `a value of another key, ${String(key)}`;
    if (!Number.isInteger(seq) || seq < 0 || seq >= state.seq) return `number ${String(seq)} was never written`;
    if (pad !== padOf(seq)) return `number ${seq} is damaged`;
    if (read.reader.behind || state.rolledBack || read.rolledBack) return undefined;
    const write = state.writes.get(seq);
    if (!write || write.latest <= read.floor) {
      const how = write?.failed ? `failed, ${write.failed.by}, and was then overwritten or deleted` : 'was overwritten or deleted';
      return `number ${seq} ${how} before, the last is ${state.seq - 1}`;
    }
    const invalid = write.tags?.find((tag) => write.latest <= (read.tags.get(tag) ?? 0));
    if (invalid !== undefined) return `number ${seq} has the tag ${invalid}, which was invalidated before`;
    const late = read.at - write.gone - (ageing ? (write.staleFor ?? 0) : 0);
    return late > 0 ? `number ${seq} expired ${Math.round(late)} ms before` : undefined;
  }

  #expires(write: Write): void {
    if (write.ttl !== undefined) write.gone = this.now() + write.ttl + clockSlack;
  }

  #supersede(key: string, began: number, by: Reader): void {
    if (this.#unsure) return;
    const state = this.#of(key);
    this.#exclude(state, began, by);
    state.floor.raise(began, this.now());
    if (state.rolledBack) state.certain = this.now();
    state.rolledBack = false;
  }

  /** What had failed before this began took effect before it, if at all. */
  #exclude({ writes }: Key, began: number, by: Reader): void {
    if (this.order === 'nowhere') return;
    for (const write of writes.values()) {
      const { failed } = write;
      if (!failed || failed.at > began || write.latest < Number.POSITIVE_INFINITY) continue;
      if (this.order === 'everywhere' || (by.ordered && failed.by === by.title)) write.latest = failed.at;
    }
  }

  #of(key: string): Key {
    let state = this.#keys.get(key);
    if (!state) {
      const [writes, floor, own] = [new Map<number, Write>(), new Floor(), new Map<string, number>()];
      state = { writes, seq: 0, floor, own, rolledBack: false, certain: Number.NEGATIVE_INFINITY };
      this.#keys.set(key, state);
    }
    return state;
  }

  #tag(tag: string): Floor {
    const floor = this.#tags.get(tag) ?? new Floor();
    this.#tags.set(tag, floor);
    return floor;
  }
}
