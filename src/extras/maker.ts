import { createHash } from 'node:crypto';
import { withAging } from '../codec/aging.js';
import type { Stored } from '../codec/codec.js';
import type { MaybePromise } from '../codec/serializers.js';
import { bodyOf, type Stamps } from '../codec/tag-header.js';
import type { Entry } from '../commands/commands.js';
import type { OrderedCommands } from '../commands/in-order.js';
import type { Mark } from '../commands/leases.js';
import { performance } from '../connection/real-time.js';
import { CodecError } from '../errors.js';
import { unawaited } from '../unawaited.js';
import type { Allowance } from './allowance.js';
import type { Background } from './background.js';
import { refused, unshared } from './ending.js';
import type { Seen } from './entry-reader.js';
import { Making } from './factory.js';
import type { Lease } from './lease.js';
import { isObject, type Load, type Outcome, type Run } from './load.js';
import { insideLoad } from './load-cycles.js';
import type { WriteOptions } from './write-options.js';

/** What making a value and storing it needs of the cache around it. */
export interface MakerParts {
  readonly commands: OrderedCommands;
  readonly background: Background;
  /** What the tags are now, for what the load makes. */
  readonly stamps: (load: Load, tags: readonly string[]) => Promise<Stamps>;
  /** Tells of a failure and gives it a name. */
  readonly report: (key: string, error: unknown) => Error;
  /** The value of these bytes, made anew each time; `undefined` where they cannot be read, which has been told of then. */
  readonly decoded: (load: Load, stored: Stored) => MaybePromise<unknown>;
  /** What is to be written, `undefined` for a value that is not to be stored. `stamps`: those of its tags, read before it was made. */
  readonly entry: (load: Load, value: unknown, how: WriteOptions, stamps: Stamps) => Entry<MaybePromise<Stored>> | undefined;
  /** The bytes of a value, stored or not. */
  readonly encoded: (load: Load, value: unknown) => MaybePromise<Stored>;
}

/** What was known before the function ran: what it gives is stored on these terms. */
export interface Basis {
  readonly seen: Seen;
  readonly stamps: Stamps;
  readonly lease?: Lease | undefined;
}

/** What storing was tried on. */
interface Ground {
  readonly seen?: Seen | undefined;
  readonly lease?: Lease | undefined;
}

/** Calls the function that makes a value, and stores what it gives. */
export class Maker {
  readonly #parts: MakerParts;

  constructor(parts: MakerParts) {
    this.#parts = parts;
  }

  /** Calls the function, and stores what it gives where there is a basis for that. Rejects as the function does. */
  async make(load: Run, allowance: Allowance, { seen, stamps: before, lease }: Partial<Basis> = {}, stale?: unknown): Promise<Outcome> {
    const { key, plan } = load;
    const { background, commands, decoded, stamps } = this.#parts;
    const making = new Making(key, background.signal, stale, plan.ttl, (later) => stamps(load, later));
    const { flight } = load;
    flight.making = true;
    flight.key = key;
    const start = performance.now();
    const value = await insideLoad(flight, () => load.make(making as never));
    const cost = Math.ceil(performance.now() - start);
    let bytes: MaybePromise<Stored> | undefined;
    try {
      const later = before && !making.skipped ? await allowance.within(making.later()) : undefined;
      const entry =
        before && later
          ? this.#entry(load, value, { ttl: making.ttl, tags: making.tags }, new Map([...later, ...before]), cost)
          : undefined;
      // Made before anybody has the value in hand, who may change it.
      bytes = entry?.value ?? (isObject(value) ? this.#parts.encoded(load, value) : undefined);
      // They may fail while Redis is asked below.
      if (bytes instanceof Promise) void unawaited(bytes);
      // What was written or deleted in between is newer, and no lease need tell of it.
      const overtaken = flight.overtaken;
      if (overtaken) this.#end(lease);
      else if (entry && seen && lease) await this.#stored(load, lease.fill(entry, terms(seen)), allowance, { seen, lease });
      else if (entry) await this.#stored(load, commands.set(entry.key, entry.value, entry.ttl), allowance, { seen });
      else if (later && seen) await this.#stored(load, this.#retire(load, { seen, lease }, refused(value)), allowance, { lease });
      else this.#end(lease, unshared);
    } catch (error) {
      // What was made is never lost for want of storing it.
      await this.#stored(load, Promise.reject(error), allowance, { seen: making.skipped ? undefined : seen, lease });
    }
    return {
      value,
      async copy() {
        // Bytes that cannot be made leave nothing but the value itself.
        const stored = await Promise.resolve(bytes).catch(() => undefined);
        return stored === undefined || !isObject(value) ? value : ((await decoded(load, bodyOf(stored))) ?? value);
      },
    };
  }

  /** The tags of the call as they are now. Before the function runs, so that an invalidation meanwhile wins; before a lease, which nobody holds who could not store. */
  stamps(load: Load, allowance: Allowance): Promise<Stamps> {
    return allowance.within(this.#parts.stamps(load, load.plan.tags));
  }

  /** Waits until it is stored, as long as there is time for it; then it goes on in the background. */
  async #stored(load: Run, storing: Promise<unknown>, allowance: Allowance, { seen, lease }: Ground): Promise<void> {
    const told = storing.catch(async (error: unknown) => {
      this.#parts.report(load.key, error);
      if (!(seen && error instanceof CodecError)) return lease?.end(unshared);
      // What cannot be encoded replaces what is there all the same.
      await this.#retire(load, { seen, lease }, unshared).catch((failure: unknown) => this.#parts.report(load.key, failure));
    });
    if (!(await allowance.covers(told))) this.#parts.background.add(told);
  }

  /** There is no value to store, and what is there is outdated: deletes it. */
  async #retire(load: Run, { seen, lease }: Pick<Basis, 'seen' | 'lease'>, mark: Mark): Promise<void> {
    if (load.flight.overtaken) this.#end(lease);
    else if (seen.stored === null) this.#end(lease, mark);
    else if (lease) await lease.retire(load.wire, terms(seen).seen, mark);
    else await this.#parts.commands.drop(load.wire);
  }

  #end(lease: Lease | undefined, mark?: Mark): void {
    if (lease) this.#parts.background.add(lease.end(mark));
  }

  /** The entry; one that ages says so in its bytes, and Redis keeps it until it is too old to be served. */
  #entry(load: Load, value: unknown, { ttl, tags }: WriteOptions, stamps: Stamps, cost: number): Entry<MaybePromise<Stored>> | undefined {
    const { plan } = load;
    const entry = this.#parts.entry(load, value, { ttl, tags: [...plan.tags, ...(tags ?? [])] }, stamps);
    const { staleFor } = plan;
    if (entry?.ttl === undefined || (staleFor === 0 && !plan.costed)) return entry;
    const aging = { staleFor, cost };
    const { value: bytes } = entry;
    const aged = bytes instanceof Promise ? bytes.then((stored) => withAging(stored, aging)) : withAging(bytes, aging);
    return { ...entry, value: aged, ttl: entry.ttl + staleFor };
  }
}

/** The function failed, not Redis. */
export class MakingFailed extends Error {
  constructor(override readonly cause: unknown) {
    super();
  }
}

/** For `catch`: the function failed. */
export function failedMaking(cause: unknown): never {
  throw new MakingFailed(cause);
}

/** What a lease is filled on: what was there when it was claimed, and whether that may have ended since. */
function terms({ stored, left, at }: Seen): { seen: string; mayBeGone: boolean } {
  if (stored === null) return { seen: '', mayBeGone: false };
  const ended = left === undefined || (left >= 0 && performance.now() - at >= left);
  return { seen: createHash('sha1').update(stored).digest('hex'), mayBeGone: ended };
}
