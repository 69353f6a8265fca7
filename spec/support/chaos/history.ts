/** What was written, so that it is known afterwards whether a value that was read may be there. */
export interface Write {
  readonly key: string;
  readonly seq: number;
  readonly ttl: number | undefined;
  readonly began: number;
  /** The latest moment at which it may have taken effect. Never, where nothing is known of its outcome. */
  latest: number;
  /** When it has expired for sure, by the clock of `performance.now()`. */
  gone: number;
}

export interface Erasure {
  readonly key: string;
  readonly began: number;
}

/** What was known when a read began. */
export interface Read {
  readonly key: string;
  readonly floor: number;
  readonly at: number;
  readonly mayBeThere: boolean;
  readonly writes: number;
  readonly rolledBack: boolean;
}

/** A value: says by itself where it belongs, and is large now and then, so that a reply spans many packets. */
export interface Value {
  readonly key: string;
  readonly seq: number;
  readonly pad: string;
}

interface Key {
  /** The writes that may still be read. Superseded ones leave it at the next `settle`. */
  readonly writes: Map<number, Write>;
  seq: number;
  /** When the latest of the acknowledged writes and deletions began: what had taken effect by then is not there any more. */
  floor: number;
  /** Acknowledgements may be undone, so anything of before may be there. */
  rolledBack: boolean;
}

/** Redis expires by its own clock. */
const clockSlack = 100;

const padOf = (seq: number): string => (seq % 50 === 0 ? 'x'.repeat(40_000 + seq) : 'x'.repeat(seq % 200));

/**
 * The checker. A value that was read must have been written under that key, and must not have been superseded before the read
 * began: by a write or deletion that was acknowledged before the read began, and began after the value's own write had taken
 * effect. A write whose outcome is unknown (it failed, it timed out) may take effect at any time until {@link settle}; so may a
 * deletion, which therefore supersedes nothing. A miss is always right: it is a cache.
 *
 * Order is that of the events in this process, which is one thread: a counter, not a clock.
 */
export class History {
  readonly violations: string[] = [];
  readonly #keys = new Map<string, Key>();
  #events = 0;
  #unsure = false;

  constructor(readonly now: () => number = () => performance.now()) {}

  beginWrite(key: string, ttl?: number): Write {
    const state = this.#of(key);
    const unknown = Number.POSITIVE_INFINITY;
    const write: Write = { key, seq: state.seq++, ttl, began: ++this.#events, latest: unknown, gone: unknown };
    state.writes.set(write.seq, write);
    return write;
  }

  beginErasure(key: string): Erasure {
    return { key, began: ++this.#events };
  }

  valueOf({ key, seq }: Write): Value {
    return { key, seq, pad: padOf(seq) };
  }

  /** The write is in Redis: what was there before is not. */
  stored(write: Write): void {
    this.tookEffect(write);
    this.#supersede(this.#of(write.key), write.began);
  }

  /** The write is over, in Redis or not: it supersedes nothing, but can be superseded. */
  tookEffect(write: Write): void {
    write.latest = ++this.#events;
    if (write.ttl !== undefined) write.gone = this.now() + write.ttl + clockSlack;
  }

  erased({ key, began }: Erasure): void {
    this.#events++;
    this.#supersede(this.#of(key), began);
  }

  beginRead(key: string): Read {
    const state = this.#of(key);
    const at = this.now();
    const mayBeThere = state.rolledBack || [...state.writes.values()].some(({ latest, gone }) => latest > state.floor && gone >= at);
    return { key, floor: state.floor, at, mayBeThere, writes: state.seq, rolledBack: state.rolledBack };
  }

  /** `behind`: read where older values may be. */
  endRead(read: Read, value: unknown, by: string, behind = false): void {
    const wrong = value === undefined || value === null ? undefined : this.#wrong(read, value as Value, behind);
    if (wrong) this.violation(`${by} of ${read.key}: ${wrong}`);
  }

  endHas(read: Read, there: unknown, by: string): void {
    const state = this.#of(read.key);
    if (there === true && !read.mayBeThere && !state.rolledBack && state.seq === read.writes) {
      this.violation(`${by} of ${read.key}: there, although deleted or expired before`);
    }
  }

  /** From now until {@link settle}, and shortly before, acknowledgements count for nothing. */
  rollBack(): void {
    this.#unsure = true;
    for (const state of this.#keys.values()) {
      state.rolledBack = true;
      state.floor = 0;
    }
  }

  /** Nothing is under way, and nothing sent earlier can arrive any more: what has not taken effect by now never will. */
  settle(): void {
    const now = this.now();
    const settled = ++this.#events;
    this.#unsure = false;
    for (const state of this.#keys.values()) {
      // Whatever came back, the next acknowledged write or deletion supersedes it.
      for (const write of state.writes.values()) {
        if (write.latest === Number.POSITIVE_INFINITY || state.rolledBack) {
          write.latest = settled;
          write.gone = write.ttl === undefined ? write.gone : now + write.ttl + clockSlack;
        }
        if (!state.rolledBack && write.latest <= state.floor) state.writes.delete(write.seq);
      }
    }
  }

  violation(text: string): void {
    if (this.violations.length < 50) this.violations.push(text);
  }

  /** What is wrong with a value that was read, in words. */
  #wrong(read: Read, { key, seq, pad }: Value, behind: boolean): string | undefined {
    const state = this.#of(read.key);
    if (key !== read.key) return `a value of another key, ${String(key)}`;
    if (!Number.isInteger(seq) || seq < 0 || seq >= state.seq) return `number ${String(seq)} was never written`;
    if (pad !== padOf(seq)) return `number ${seq} is damaged`;
    if (behind || state.rolledBack || read.rolledBack) return undefined;
    const write = state.writes.get(seq);
    if (!write || write.latest <= read.floor) return `number ${seq} was overwritten or deleted before, the last is ${state.seq - 1}`;
    return write.gone < read.at ? `number ${seq} expired ${Math.round(read.at - write.gone)} ms before` : undefined;
  }

  #supersede(state: Key, began: number): void {
    if (this.#unsure) return;
    state.floor = Math.max(state.floor, began);
    state.rolledBack = false;
  }

  #of(key: string): Key {
    let state = this.#keys.get(key);
    if (!state) {
      state = { writes: new Map(), seq: 0, floor: 0, rolledBack: false };
      this.#keys.set(key, state);
    }
    return state;
  }
}
