import type { Connection } from '../connection/connection.js';
import type { CommandPool } from '../connection/guard.js';
import type { Pool } from '../connection/pools.js';
import { bySlot } from '../connection/slots.js';
import { CacheError } from '../errors.js';
import { copyOf } from '../messages.js';
import { setImmediate } from '../time/clock.js';
import { batchSize, type Leases } from './commands.js';
import { isRetryable } from './pending-deletions.js';
import type { RefusedCommands } from './refused.js';
import { unlinkOn } from './substitutes.js';

type Key = string | Buffer;

/** Deletes keys of one part, after their leases. @returns what it answers for each key, or for all of them */
type Deletion<R> = (connection: Connection, keys: readonly Key[], leases: readonly string[]) => Promise<readonly R[]>;

/** Keys of one command, with their positions in the call. */
interface Part {
  readonly positions: readonly number[];
  readonly keys: readonly Key[];
  readonly leases: readonly string[];
}

/** The keys in Redis that deletions have not reached, by their errors. */
const unreached = new WeakMap<object, ReadonlySet<string>>();

/** The keys in Redis that a deletion of several has not reached, or perhaps not; `undefined` if that is unknown: none of them is sure. */
export function unreachedBy(error: unknown): ReadonlySet<string> | undefined {
  return unreached.get(Object(error));
}

/**
 * Deletes many keys: a batch at a time, each in one pipeline with a deadline of its own. In a cluster the keys of each slot are a part. A part
 * that fails keeps no other from being tried, and the error of the whole tells which keys were not reached.
 */
export class Unlinking {
  readonly #pool: CommandPool;
  readonly #refused: RefusedCommands;

  constructor(pool: CommandPool, refused: RefusedCommands) {
    this.#pool = pool;
    this.#refused = refused;
  }

  /** @returns how many of the keys existed, with their leases if that is not asked for (`isCounted`) */
  count(keys: readonly Key[], leases: Leases, isCounted: boolean): Promise<number> {
    const deletion = (connection: Connection, part: readonly Key[], theirs: readonly string[]): Promise<number> =>
      isCounted
        ? this.#afterLeases(connection, theirs, () => this.#unlink(connection, part))
        : this.#unlink(connection, [...theirs, ...part]);
    // Most calls.
    if (keys.length === 1) {
      const theirs = leases[0] === undefined ? [] : [leases[0]];
      const alone = isCounted && theirs.length > 0 ? undefined : this.#unlinkAlone([...theirs, ...keys]);
      return alone ?? this.#pool.use((connection) => deletion(connection, keys, theirs));
    }
    const counts = this.#all<number>(keys, leases, async (connection, part, theirs) => [await deletion(connection, part, theirs)]);
    return counts.then((all) => all.reduce<number>((total, count) => total + (count ?? 0), 0));
  }

  /** @returns whether each of the keys existed */
  async each(keys: readonly string[], leases: Leases): Promise<boolean[]> {
    const existed = await this.#all<boolean>(keys, leases, (connection, part, theirs) =>
      this.#afterLeases(connection, theirs, () => Promise.all(part.map(async (key) => Boolean(await this.#unlink(connection, [key]))))),
    );
    return keys.map((_, i) => existed[i] === true);
  }

  /** `undefined` if it takes more than a command. */
  #unlinkAlone(keys: readonly Key[]): Promise<number> | undefined {
    const answer = this.#pool.sendAlone && this.#refused.answer('UNLINK', Number, (connection) => this.#unlink(connection, keys));
    return answer && this.#pool.sendAlone?.(['UNLINK', ...keys], answer);
  }

  #unlink(connection: Connection, keys: readonly Key[]): Promise<number> {
    return unlinkOn(connection, this.#refused, keys);
  }

  /** Both travel over one connection, which keeps their order: no load under way is stored after the deletion. */
  async #afterLeases<R>(connection: Connection, leases: readonly string[], deletion: () => Promise<R>): Promise<R> {
    if (leases.length === 0) return deletion();
    const [, result] = await Promise.all([this.#unlink(connection, leases), deletion()]);
    return result;
  }

  /** @returns the answers, by the position of the key, or of the first one of a part */
  async #all<R>(keys: readonly Key[], leases: Leases, deletion: Deletion<R>): Promise<(R | undefined)[]> {
    const call = new UnlinkCall<R>(keys, leases, deletion);
    for (let from = 0; from < keys.length; from += batchSize) {
      await call.send(this.#pool, from);
      if (call.failures.length === 0) continue;
      if (call.isSpread) await this.#sendRest(call, from + batchSize, keys.length);
      throw call.error();
    }
    return call.answers;
  }

  /** Other nodes may be well. All batches go to them without waiting for replies, so that they take one deadline, each in a turn of its own. */
  async #sendRest(call: UnlinkCall<unknown>, from: number, end: number): Promise<void> {
    const sent: Promise<void>[] = [];
    for (let next = from; next < end; next += batchSize) {
      await new Promise((resolve) => setImmediate(resolve));
      sent.push(call.send(this.#pool, next));
    }
    await Promise.all(sent);
  }
}

/** One call under way. */
class UnlinkCall<R> {
  readonly answers: (R | undefined)[] = [];
  readonly failures: unknown[] = [];
  /** Whether the keys are on several nodes. */
  isSpread = false;
  readonly #keys: readonly Key[];
  readonly #leases: Leases;
  readonly #deletion: Deletion<R>;
  /** The positions of the keys that were reached. */
  readonly #reached: (readonly number[])[] = [];

  constructor(keys: readonly Key[], leases: Leases, deletion: Deletion<R>) {
    this.#keys = keys;
    this.#leases = leases;
    this.#deletion = deletion;
  }

  /** Sends the batch that begins at this position. Never rejects. */
  async send(pool: Pool, from: number): Promise<void> {
    try {
      await pool.use(async (connection) => {
        this.isSpread = connection.primaries !== undefined;
        const outcomes = await Promise.allSettled(this.#partsFrom(from).map((part) => this.#sendPart(connection, part)));
        const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
        if (failures.length > 0) throw mainOf(failures);
      });
    } catch (error) {
      this.failures.push(error);
    }
  }

  error(): unknown {
    const error = mainOf(this.failures);
    if (!(error instanceof CacheError)) return error;
    // Other calls may share it.
    const own = copyOf(error);
    const reached = new Set(this.#reached.flat());
    unreached.set(own, new Set(this.#keys.flatMap((key, position) => (reached.has(position) ? [] : [String(key)]))));
    return own;
  }

  async #sendPart(connection: Connection, { positions, keys, leases }: Part): Promise<void> {
    const answers = await this.#deletion(connection, keys, leases);
    this.#reached.push(positions);
    for (const [i, answer] of answers.entries()) this.answers[positions[i] as number] = answer;
  }

  #partsFrom(from: number): readonly Part[] {
    const positions = Array.from({ length: Math.min(batchSize, this.#keys.length - from) }, (_, i) => from + i);
    const keyAt = (position: number): Key => this.#keys[position] as Key;
    const groups = this.isSpread ? bySlot(positions, keyAt) : [positions];
    return groups.map((group) => ({
      positions: group,
      keys: group.map(keyAt),
      leases: this.#leases.length === 0 ? [] : group.map((position) => this.#leases[position]).filter((lease) => lease !== undefined),
    }));
  }
}

/** The first that another attempt would meet again, or the first. */
function mainOf(errors: readonly unknown[]): unknown {
  return errors.find((error) => !isRetryable(error)) ?? errors[0];
}
