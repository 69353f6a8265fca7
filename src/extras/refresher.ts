import type { OrderedCommands } from '../commands/in-order.js';
import { markStart } from '../commands/leases.js';
import { performance, setTimeout } from '../connection/real-time.js';
import { RefreshError } from '../errors.js';
import type { Counters } from '../telemetry/counters.js';
import type { Milliseconds } from '../ttl.js';
import { Allowance } from './allowance.js';
import type { Background } from './background.js';
import { resting } from './ending.js';
import { type EntryReader, freshness, type Seen, same } from './entry-reader.js';
import { Lease } from './lease.js';
import { type Load, type Outcome, plainOutcome, type Run } from './load.js';
import { failedMaking, type Maker, MakingFailed } from './maker.js';
import type { Returns } from './returns.js';
import type { SingleFlight } from './single-flight.js';

/** What renewing needs of the load around it. */
export interface RefresherParts {
  readonly commands: OrderedCommands;
  readonly background: Background;
  readonly returns: Returns;
  readonly counters: Pick<Counters, 'leaseWaits'>;
  readonly flights: SingleFlight;
  readonly reader: EntryReader;
  readonly maker: Maker;
  /** The bound of the commands. */
  readonly timeout: Milliseconds;
  /** Tells of a failure and gives it a name. */
  readonly report: (key: string, error: unknown) => Error;
}

/** Renews entries that are old or soon will be, while their values are served. */
export class Refresher {
  readonly #parts: RefresherParts;
  /** Keys whose renewal failed lately. */
  readonly #resting = new Set<string>();

  constructor(parts: RefresherParts) {
    this.#parts = parts;
  }

  /** Renews in the background, once at a time in this process. `undefined` where nothing came of it. Never rejects. */
  run(load: Load, seen: Seen): Promise<Outcome | undefined> {
    const { wire, key, plan } = load;
    if (this.#resting.has(wire)) return Promise.resolve(undefined);
    const { outcome, joined } = this.#parts.flights.run(this, wire, (flight) =>
      this.#refresh({ ...load, flight }, seen).catch((error: unknown) => {
        this.#parts.report(key, error instanceof MakingFailed ? new RefreshError(error.cause) : error);
        this.#resting.add(wire);
        setTimeout(() => this.#resting.delete(wire), plan.rest).unref();
        return undefined;
      }),
    );
    if (joined) return outcome.then(async (shared) => shared && { value: await shared.copy(), copy: shared.copy });
    this.#parts.background.add(outcome);
    return outcome;
  }

  async #refresh(load: Run, seen: Seen): Promise<Outcome | undefined> {
    const { plan, lease: key } = load;
    const { background, counters, reader, maker } = this.#parts;
    // Nobody waits for it, or only as long as he likes.
    const patient = new Allowance(Number.POSITIVE_INFINITY);
    const [stale, stamps] = await Promise.all([reader.read(load, seen, patient), maker.stamps(load, patient)]);
    if (plan.lease === false || key === undefined) return maker.make(load, patient, { seen, stamps }, stale?.value).catch(failedMaking);
    const lease = await Lease.claim(this.#parts, key, plan.lease, false);
    if (lease === undefined) return maker.make(load, patient, { seen, stamps }, stale?.value).catch(failedMaking);
    if (typeof lease === 'string') {
      // Another process renews it, or failed to lately: only a caller that waits asks how it went.
      if (plan.soft === 0 || lease === markStart) return undefined;
      counters.leaseWaits++;
      const end = performance.now() + plan.soft;
      const news = await reader.news(load, seen, patient, { holder: lease, until: () => end, idle: true });
      if (news.kind === 'changed') return reader.read(load, news.seen, patient);
      return news.kind === 'ended' && news.ending.kind === 'nothing' ? plainOutcome(news.ending.value) : undefined;
    }
    // Others wait for the lease.
    const allowance = new Allowance(this.#parts.timeout);
    let now: Seen;
    try {
      now = await reader.look(load, allowance, true);
      if (!same(now.stored, seen.stored) || freshness(now).left > freshness(seen).left) {
        await lease.end();
        return await reader.fresh(load, now, allowance);
      }
    } catch (error) {
      background.add(lease.end());
      throw error;
    }
    try {
      return await maker.make(load, allowance, { seen: now, stamps, lease }, stale?.value);
    } catch (error) {
      background.add(lease.end(resting(plan.rest)));
      throw new MakingFailed(error);
    }
  }
}
