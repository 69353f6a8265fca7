import type { Stored } from '../codec/codec.js';
import { AbortedError, FactoryTimeoutError, RefreshError } from '../errors.js';
import type { Counters } from '../telemetry/counters.js';
import type { Milliseconds } from '../ttl.js';
import { Allowance } from './allowance.js';
import { EntryReader, freshness, type ReaderParts, type Seen, same } from './entry-reader.js';
import { Lease, terms } from './lease.js';
import type { Load, Outcome } from './load.js';
import { type Basis, Maker, type MakerParts, MakingFailed } from './maker.js';
import { pause } from './pause.js';
import { Refresher } from './refresher.js';
import type { Returns } from './returns.js';
import type { SingleFlight } from './single-flight.js';
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
    const { wire, plan } = load;
    const patience = plan.lease === false ? undefined : plan.lease * terms;
    const { outcome, joined } = this.#parts.flights.run(this, wire, (flight) => this.#answer({ ...load, flight }), patience);
    const { value, copy } = plan.hard === undefined ? await outcome : await this.#withinHard(load, plan.hard, outcome);
    return joined ? copy() : value;
  }

  async #answer(load: Load): Promise<Outcome> {
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

  /** The value where there was none: made here, or by whoever has the lease. */
  async #loaded(load: Load, seen: Seen, allowance: Allowance, unreadable = false): Promise<Outcome> {
    const { plan, lease: key } = load;
    let now = seen;
    let waited = false;
    try {
      for (;;) {
        const stamps = await this.#maker.stamps(load, allowance);
        if (plan.lease === false || key === undefined) return await this.#made(load, allowance, { seen, stamps });
        const lease = await this.#claim(key, plan.lease, allowance);
        try {
          // Between looking and claiming, another holder may have stored and given back.
          if (lease) now = await this.#reader.look(load, allowance, true);
          else {
            if (!waited) this.#parts.counters.leaseWaits++;
            waited = true;
            now = (await this.#reader.news(load, now, allowance, false)) ?? now;
          }
          const known = now === seen || (unreadable && same(now.stored, seen.stored));
          const found = known ? undefined : await this.#reader.fresh(load, now, allowance);
          if (found) {
            if (lease) this.#parts.background.add(lease.end());
            return found;
          }
        } catch (error) {
          if (lease) this.#parts.background.add(lease.end());
          throw error;
        }
        if (lease) return await this.#made(load, allowance, { seen: now, stamps, lease });
      }
    } catch (error) {
      if (error instanceof MakingFailed) throw error.cause;
      if (error instanceof AbortedError) throw this.#parts.report(load.key, error);
      this.#parts.report(load.key, error);
      return this.#maker.make(load, allowance);
    }
  }

  async #claim(key: string, time: Milliseconds, allowance: Allowance): Promise<Lease | undefined> {
    const { background } = this.#parts;
    const claim = Lease.claim(this.#parts, key, time);
    try {
      return await allowance.sample(claim);
    } catch (error) {
      background.add(claim.then((lease) => lease?.end()));
      throw error;
    }
  }

  async #made(load: Load, allowance: Allowance, basis: Basis): Promise<Outcome> {
    try {
      return await this.#maker.make(load, allowance, basis);
    } catch (cause) {
      if (basis.lease) this.#parts.background.add(basis.lease.end());
      throw new MakingFailed(cause);
    }
  }

  async #withinHard(load: Load, time: Milliseconds, outcome: Promise<Outcome>): Promise<Outcome> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        // Nobody may be left to see how it ends.
        if (!this.#left.has(outcome)) {
          this.#left.add(outcome);
          // The function may never end: who asks from now on has a run of his own.
          this.#parts.flights.closeMaking(load.wire);
          this.#parts.background.add(outcome.catch((error: unknown) => this.#parts.report(load.key, new RefreshError(error))));
        }
        reject(this.#parts.report(load.key, new FactoryTimeoutError(time)));
      }, time);
    });
    try {
      return await Promise.race([outcome, over]);
    } finally {
      clearTimeout(timer);
    }
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
