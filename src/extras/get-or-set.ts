import type { Stored } from '../codec/codec.js';
import type { Stamps } from '../codec/tag-header.js';
import { abortable } from '../connection/abortable.js';
import { clearTimeout, performance, setTimeout } from '../connection/real-time.js';
import { AbortedError, FactoryTimeoutError, RefreshError } from '../errors.js';
import type { Counters } from '../telemetry/counters.js';
import type { Milliseconds } from '../ttl.js';
import { Allowance } from './allowance.js';
import { endingSince, unshared } from './ending.js';
import { EntryReader, freshness, type News, type ReaderParts, type Seen, same, type Wait } from './entry-reader.js';
import { Lease, terms } from './lease.js';
import { type Load, type Outcome, plainOutcome, type Run } from './load.js';
import { enclosingCall, type FunctionCall, waitFor, waitOver } from './load-cycles.js';
import { type Basis, failedMaking, Maker, type MakerParts, MakingFailed } from './maker.js';
import { pause } from './pause.js';
import { Refresher } from './refresher.js';
import type { Returns } from './returns.js';
import type { Flight, SingleFlight } from './single-flight.js';
import type { Tags } from './tags.js';

/** What loading needs of the cache around it. */
export interface LoaderParts extends ReaderParts, MakerParts {
  readonly flights: SingleFlight;
  readonly returns: Returns;
  readonly counters: Pick<Counters, 'staleServed' | 'leaseWaits'>;
  readonly tags: Pick<Tags, 'ahead' | 'concern' | 'open'>;
  /** When Redis last failed this process, on the monotonic clock. Left out: never. */
  readonly failedAt?: (() => Milliseconds) | undefined;
  /** Tells of a read: what was found, `null` where it was nothing that may be served. */
  readonly saw: (key: string, stored: Stored | null, near: boolean) => void;
  /** Draws when to renew early. Default: Math.random. */
  readonly random?: (() => number) | undefined;
}

/** Cache-aside done once for all: one call of the function per process and per fleet, old values served while new ones are made. */
export class Loader {
  readonly #parts: LoaderParts;
  readonly #reader: EntryReader;
  readonly #maker: Maker;
  readonly #refresher: Refresher;
  readonly #random: () => number;
  /** What callers gave up waiting for. */
  readonly #left = new WeakSet<Promise<Outcome>>();

  constructor(parts: LoaderParts) {
    this.#parts = parts;
    this.#reader = new EntryReader(parts);
    this.#maker = new Maker(parts);
    this.#refresher = new Refresher({ ...parts, reader: this.#reader, maker: this.#maker });
    this.#random = parts.random ?? Math.random;
  }

  async load(load: Load): Promise<unknown> {
    const { key, wire, plan } = load;
    const { flights, signal, report } = this.#parts;
    if (signal?.aborted) throw report(key, new AbortedError(signal.reason));
    const patience = plan.lease === false ? undefined : plan.lease * terms;
    const caller = enclosingCall();
    const { outcome, joined, flight } = flights.run(this, wire, (run) => this.#answer({ ...load, flight: run }), patience);
    // A load that begins here looks for itself if it finds nothing.
    if (joined && caller) this.#waitFor(load, flight, caller);
    try {
      const bounded = plan.hard !== undefined || signal !== undefined;
      const { value, copy } = bounded ? await this.#bounded(load, outcome) : await outcome;
      return joined ? copy() : value;
    } finally {
      if (caller !== undefined) waitOver(flight, caller);
    }
  }

  /** Calls the function for one caller and stores nothing: `keyFunction` gave no key to store it under. */
  async loadUnstored(load: Omit<Load, 'wire' | 'lease'>): Promise<unknown> {
    const alone: Run = { ...load, wire: '', lease: undefined, flight: { overtaken: false } };
    const { signal, timeout } = this.#parts;
    const outcome = this.#maker.make(alone, new Allowance(timeout));
    const bounded = load.plan.hard !== undefined || signal !== undefined;
    const { value } = bounded ? await this.#bounded(alone, outcome) : await outcome;
    return value;
  }

  /** Has the load in whose function a call is made wait for that of the call. */
  #waitFor({ key, wire }: Load, flight: Flight, waiter: FunctionCall): void {
    const { flights, report } = this.#parts;
    try {
      waitFor(flight, waiter, key, flights.underWay(wire));
    } catch (error) {
      throw report(key, error);
    }
  }

  async #answer(load: Run): Promise<Outcome> {
    const { report, saw, counters } = this.#parts;
    const { plan } = load;
    const allowance = new Allowance(this.#parts.timeout, undefined, this.#parts.failedAt);
    const ahead = this.#parts.tags.ahead();
    let seen: Seen;
    let body: Stored | null;
    try {
      seen = await this.#reader.look(load, allowance);
      body = await this.#reader.open(seen, allowance, ahead);
    } catch (error) {
      if (error instanceof AbortedError) throw report(load.key, error);
      report(load.key, error);
      // A Redis that could not be read is not waited for a second time.
      return this.#maker.make(load, allowance);
    }
    const { left, cost } = freshness(seen);
    const servable = left > 0 || (plan.staleFor > 0 && -left <= plan.staleFor);
    saw(load.key, servable ? body : null, seen.near === true);
    const found = await this.#reader.decode(load, body);
    if (found === undefined) return this.#loaded(load, seen, allowance, seen.stored !== null);
    if (!servable) return this.#loaded(load, seen, allowance);
    if (left > 0) {
      if (plan.early(left, cost, this.#random)) void this.#refresher.run(load, seen);
      return found;
    }
    const refreshed = this.#refresher.run(load, seen);
    const renewed = plan.soft > 0 ? await withinSoft(plan.soft, refreshed) : undefined;
    if (renewed) return renewed;
    counters.staleServed++;
    return found;
  }

  /** The value where there was none: made here, or by the process that holds the lease. */
  async #loaded(load: Run, seen: Seen, allowance: Allowance, unreadable = false): Promise<Outcome> {
    const { plan, lease: key, flight } = load;
    const waiter = enclosingCall();
    if (waiter) this.#waitFor(load, flight, waiter);
    let now = seen;
    let wait: Wait | undefined;
    /** Set once a load of another process brought nothing that could be shared: all that waited for it go on at the same time. */
    let alone = false;
    // A load that holds up another is not waited for longer than a lease: the process that makes it may wait for that other one.
    const began = performance.now();
    const until = () => (flight.waiters?.length && plan.lease !== false ? began + plan.lease : Number.POSITIVE_INFINITY);
    try {
      for (;;) {
        const stamps = await this.#maker.stamps(load, allowance);
        if (plan.lease === false || key === undefined) return await this.#made(load, allowance, { seen, stamps });
        const lease = await this.#claim(key, plan.lease, allowance);
        if (lease === undefined) return await this.#made(load, allowance, { seen: now, stamps });
        if (typeof lease !== 'string') return await this.#underLease(load, lease, stamps, allowance, unreadable ? seen : undefined);
        if (alone) return await this.#made(load, allowance);
        const ending = endingSince(wait?.holder, lease);
        if (!wait) this.#parts.counters.leaseWaits++;
        wait = { holder: lease, until, idle: false };
        const news: News = ending ? { kind: 'ended', ending } : await this.#reader.news(load, now, allowance, wait);
        if (news.kind === 'changed') {
          now = news.seen;
          const found = await this.#reader.fresh(load, now, allowance);
          if (found) return found;
        } else if (news.kind === 'ended') {
          if (news.ending.kind === 'nothing') return plainOutcome(news.ending.value);
          alone = true;
        } else if (news.kind === 'over') return await this.#made(load, allowance);
      }
    } catch (error) {
      if (error instanceof MakingFailed) throw error.cause;
      if (error instanceof AbortedError) throw this.#parts.report(load.key, error);
      this.#parts.report(load.key, error);
      return this.#maker.make(load, allowance);
    }
  }

  /** `unreadable`: what the load began with, where that cannot be decoded. */
  async #underLease(load: Run, lease: Lease, stamps: Stamps, allowance: Allowance, unreadable?: Seen): Promise<Outcome> {
    let now: Seen;
    let found: Outcome | undefined;
    try {
      // Between looking and claiming, another holder may have stored and given back.
      now = await this.#reader.look(load, allowance, true);
      if (!unreadable || !same(now.stored, unreadable.stored)) found = await this.#reader.fresh(load, now, allowance);
    } catch (error) {
      this.#parts.background.add(lease.end());
      throw error;
    }
    if (!found) return this.#made(load, allowance, { seen: now, stamps, lease });
    this.#parts.background.add(lease.end());
    return found;
  }

  async #claim(key: string, time: Milliseconds, allowance: Allowance): Promise<Lease | string | undefined> {
    const { background } = this.#parts;
    const claim = Lease.claim(this.#parts, key, time, true);
    try {
      return await allowance.sample(claim);
    } catch (error) {
      background.add(claim.then((lease) => (lease instanceof Lease ? lease.end() : undefined)));
      throw error;
    }
  }

  async #made(load: Run, allowance: Allowance, basis: Partial<Basis> = {}): Promise<Outcome> {
    try {
      return await this.#maker.make(load, allowance, basis);
    } catch (cause) {
      if (basis.lease) this.#parts.background.add(basis.lease.end(unshared));
      throw new MakingFailed(cause);
    }
  }

  /** The outcome, unless `hardTimeout` is over before, or the caller gives up. */
  async #bounded(load: Load, outcome: Promise<Outcome>): Promise<Outcome> {
    const { signal, flights, report } = this.#parts;
    const { hard } = load.plan;
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<never>((_, reject) => {
      if (hard !== undefined) timer = setTimeout(() => reject(new FactoryTimeoutError(hard)), hard);
    });
    const first = (): Promise<Outcome> => Promise.race([outcome.catch(failedMaking), over]);
    try {
      return await (signal ? abortable(signal, first) : first());
    } catch (error) {
      if (error instanceof MakingFailed) throw error.cause;
      this.#leave(load, outcome);
      // The function may never end: later callers start their own call.
      if (error instanceof FactoryTimeoutError) flights.closeMaking(load.wire);
      throw report(load.key, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** No caller may be left to see how it ends. */
  #leave({ key }: Load, outcome: Promise<Outcome>): void {
    if (this.#left.has(outcome)) return;
    this.#left.add(outcome);
    const failed = (error: unknown): void => {
      if (!(error instanceof AbortedError && this.#parts.signal?.aborted)) this.#parts.report(key, new RefreshError(error));
    };
    this.#parts.background.add(outcome.catch(failed));
  }
}

async function withinSoft<T>(time: Milliseconds, work: Promise<T | undefined>): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([work, pause(time, { signal: over.signal }).then(() => undefined)]);
  } finally {
    over.abort();
  }
}
