import { clearTimeout, performance, setTimeout } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';
import type { Commands, Leases } from './commands.js';
import { type Clear, isRetryable, PendingClears, PendingDeletions } from './pending-deletions.js';
import { unreachedBy } from './unlinking.js';
import { type Call, wrapEach } from './verbs.js';

/** How often Redis is tried while something waits for it. */
const retryInterval: Milliseconds = 100;

/** Receives deletions that wait instead of failing, by their keys in Redis; a clear; and deletions that Redis refuses later. */
export type OnQueued = (error: Error, what: readonly string[] | 'clear', refused?: 'refused') => void;

type Keys = readonly (string | Buffer)[];

/**
 * Keeps deletions that cannot be sent (`invalidations: 'queue'`) and sends them when Redis is back. Until then their keys read as missing
 * in this process. A write that arrives replaces the deletion before it, and one that does not arrive becomes a deletion.
 */
export class DeleteQueue {
  readonly #base: Commands;
  readonly #onQueued: OnQueued;
  readonly #keepsDeletions: boolean;
  readonly #deletions: PendingDeletions;
  readonly #clears = new PendingClears();
  #timer: NodeJS.Timeout | undefined;
  #timerDue = Number.POSITIVE_INFINITY;
  #stopped = false;

  /** `keepsDeletions`: false if only writes that cannot be sent wait, as deletions, and deletions reject. */
  constructor(base: Commands, onQueued: OnQueued, keepsDeletions = true) {
    this.#base = base;
    this.#keepsDeletions = keepsDeletions;
    this.#onQueued = onQueued;
    const unlink = (key: string): Promise<unknown> => base.unlink([key], { counted: false });
    this.#deletions = new PendingDeletions(unlink, (error, keys) => onQueued(error, keys, 'refused'));
  }

  /** Whether the deletion of this key waits. */
  readonly waits = (key: string): boolean =>
    (this.#deletions.size > 0 && this.#deletions.has(key)) || (this.#clears.size > 0 && this.#clears.hides(key));

  /** Keeps a clear that failed with this error. Until it has run, its keys read as missing. @returns false if it cannot wait */
  readonly clearLater = (error: unknown, clear: Clear): boolean => {
    if (!isRetryable(error) || this.#stopped || !this.#clears.add(clear)) return false;
    this.#onQueued(error as Error, 'clear');
    this.#schedule();
    return true;
  };

  /** Sends what waits now, refused deletions included. Resolves when it was tried. */
  async replay(): Promise<void> {
    this.#deletions.retryRefused(Number.POSITIVE_INFINITY);
    await this.#attempt();
  }

  /** Stops trying. @returns how many deletions were never sent */
  stop(): number {
    this.#stopped = true;
    clearTimeout(this.#timer);
    return this.#deletions.asked + this.#clears.size;
  }

  /** Commands to the same Redis, with these deletions waiting. */
  over(commands: Commands): Commands {
    const wrapped = wrapEach(commands, (verb, call, name) => {
      if (verb.access === 'read') return verb.many ? this.#readMany(call, verb.missing) : this.#read(call, verb.missing);
      if (verb.access === 'update' || name === 'claim') return this.#update(call, verb.keys);
      return call;
    });
    return {
      ...wrapped,
      setUnderLease: (entry, claim) => this.#afterDeletions([claim.lease, entry.key], () => commands.setUnderLease(entry, claim)),
      unlinkUnderLease: (key, claim, mark) => this.#afterDeletions([claim.lease, key], () => commands.unlinkUnderLease(key, claim, mark)),
      set: (key, value, ttl) => {
        const sent = commands.set(key, value, ttl);
        if (this.#deletions.size > 0) return this.#write([key], () => Promise.allSettled([sent])).then(() => sent);
        sent.catch((error: unknown) => this.#becomeDeletion(error, key));
        return sent;
      },
      setMany: (entries) => {
        const keys = entries.map(({ key }) => key);
        return this.#write(keys, () => commands.setMany(entries));
      },
      unlink: (keys, options) => {
        const sent = commands.unlink(keys, options);
        return options?.scanned ? sent : sent.catch((error: unknown) => this.#keep(error, keys, options?.leases, 0));
      },
      unlinkEach: (keys, leases) => {
        const none = keys.map(() => false);
        return commands.unlinkEach(keys, leases).catch((error: unknown) => this.#keep(error, keys, leases, none));
      },
      expireNow: (key, lease) => wrapped.expireNow(key, lease).catch((error: unknown) => this.#keep(error, [key], [lease], false)),
      // A tag that is invalidated later is worse than one that expires now, and better than one that stays.
      expireGeneration: (key, id) =>
        wrapped.expireGeneration(key, id).catch((error: unknown) => this.#keep(error, [key], undefined, undefined)),
      scan: (glob, cursor) => this.#scan(commands.scan(glob, cursor)),
    };
  }

  /** Lets a deletion that failed with this error wait. @returns the answer, or throws the error if it cannot wait */
  #keep<T>(error: unknown, keys: Keys, leases: Leases | undefined, answer: T): T {
    const missed = unreachedBy(error);
    const isMissed = (_: unknown, i: number): boolean => missed === undefined || missed.has(String(keys[i]));
    const theirs = leases?.filter(isMissed).filter((lease) => lease !== undefined) ?? [];
    const names = keys.filter(isMissed).map(String);
    const canWait = this.#keepsDeletions && isRetryable(error) && !this.#stopped;
    if (!canWait || !this.#deletions.hasRoomFor([...theirs, ...names])) throw error;
    for (const lease of theirs) this.#deletions.add(lease, true);
    for (const name of names) this.#deletions.add(name);
    this.#onQueued(error as Error, names);
    this.#schedule();
    return answer;
  }

  /** Sets the timer to the next attempt, earlier than it was if something is due earlier. */
  #schedule(): void {
    if (this.#stopped) return;
    const now = performance.now();
    const soon = now + retryInterval;
    const due = this.#clears.size > 0 ? soon : this.#deletions.nextAttempt(soon);
    if (due >= this.#timerDue) return;
    clearTimeout(this.#timer);
    this.#timerDue = due;
    const delay = Math.max(0, due - now);
    this.#timer = setTimeout(() => {
      this.#timerDue = Number.POSITIVE_INFINITY;
      void this.#attempt();
    }, delay).unref();
  }

  /** Clears and deletions side by side: a clear of many keys takes long. */
  async #attempt(): Promise<void> {
    // A timer may fire a little early.
    this.#deletions.retryRefused(performance.now() + 1);
    const schedule = (): void => this.#schedule();
    await Promise.all([this.#clears.send().finally(schedule), this.#deletions.send().finally(schedule)]);
  }

  /** Sends the deletions that wait for these keys now. Later ones go on waiting. */
  async #settle(keys: readonly string[]): Promise<void> {
    const due = keys.map((key) => [key, this.#deletions.get(key)] as const);
    await this.#base.unlink(keys);
    for (const [key, pending] of due) if (pending?.writes === 0) this.#deletions.settle(key, pending);
  }

  async #afterDeletions<T>(keys: readonly string[], call: () => Promise<T>): Promise<T> {
    const due = keys.filter((key) => this.#deletions.has(key));
    if (due.length > 0) await this.#settle(due);
    return call();
  }

  #read(call: Call, missing: unknown): Call {
    return (key, b, c, d) => (this.waits(key) ? Promise.resolve(missing as never) : call(key, b, c, d));
  }

  #readMany(call: Call, missing: unknown): Call {
    return async (keys: readonly string[], b: never, c: never, d: never) => {
      if (this.#deletions.size === 0 && this.#clears.size === 0) return call(keys as never, b, c, d);
      const asked = keys.filter((key) => !this.waits(key));
      const answers = asked.length === 0 ? [] : ((await call(asked as never, b, c, d)) as unknown[]);
      const found = new Map(answers.map((answer, i) => [asked[i] as string, answer]));
      return keys.map((key) => found.get(key) ?? missing) as never;
    };
  }

  /** A call whose result depends on what the key holds: the deletion goes first. */
  #update(call: Call, keysOf: (first: never, second: never) => Keys): Call {
    return async (a, b, c, d) => {
      if (this.#deletions.size > 0 || this.#clears.size > 0) {
        const [key] = keysOf(a, b);
        if (this.waits(String(key))) await this.#settle([String(key)]);
      }
      return call(a, b, c, d);
    };
  }

  /** Writes whole values. The deletion before one that arrived no longer matters. */
  async #write(keys: readonly string[], attempt: () => Promise<PromiseSettledResult<unknown>[]>): Promise<PromiseSettledResult<unknown>[]> {
    const pending = keys.map((key) => this.#deletions.get(key));
    for (const each of pending) if (each) each.writes++;
    try {
      const results = await attempt();
      for (const [i, result] of results.entries()) {
        const key = keys[i] as string;
        if (result.status === 'rejected') this.#becomeDeletion(result.reason, key);
        else this.#deletions.settle(key, pending[i]);
      }
      return results;
    } finally {
      for (const each of pending) if (each) each.writes--;
    }
  }

  /** A write that cannot be sent leaves the entry that it was to replace, which reads would take for true. */
  #becomeDeletion(error: unknown, key: string): void {
    if (!isRetryable(error) || this.#stopped || this.#deletions.has(key) || !this.#deletions.hasRoomFor([key])) return;
    this.#deletions.add(key);
    this.#schedule();
  }

  async *#scan(pages: ReturnType<Commands['scan']>): ReturnType<Commands['scan']> {
    for await (const page of pages) {
      // A clear that is being sent scans for the keys that it hides from others.
      const isHidden = this.#clears.sending ? (key: string) => this.#deletions.has(key) : this.waits;
      const waiting = this.#deletions.size > 0 || this.#clears.size > 0;
      yield waiting ? { ...page, keys: page.keys.filter((key) => !isHidden(String(key))) } : page;
    }
  }
}
