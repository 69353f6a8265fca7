import type { Stored } from '../codec/entry.js';
import type { MaybePromise } from '../codec/serializers.js';
import type { CallBounds } from '../connection/guard.js';
import { type CheckDeadline, withDeadline } from '../time/deadlines.js';
import { abortable } from '../time/waiting.js';
import { batchSize, type Commands, type OrderedCommands, type SetEntry } from './commands.js';
import { wrapEach } from './verbs.js';

/**
 * Keeps the order of calls on one key while a value for it is being encoded (compression takes time): later calls leave later, so a read
 * sees the write before it and the last write wins. While no value is being encoded, which is the rule, calls go straight through.
 *
 * A call that waits has one deadline for the wait and the answer together. Nothing is sent for a call that has failed for its caller.
 */
export function inOrder(commands: Commands, { timeout, signal }: CallBounds = {}): OrderedCommands {
  /** For each key that a value is being encoded for: settles when the last of its writes was sent. */
  const turns = new Map<string, Promise<unknown>>();

  /** `times`: how many deadlines the work takes. */
  function bounded<T>(work: (checkDeadline: CheckDeadline) => Promise<T>, times = 1): Promise<T> {
    const inTime = (): Promise<T> => (timeout === undefined ? work(() => {}) : withDeadline(timeout * times, work));
    return signal ? abortable(signal, inTime) : inTime();
  }

  /** Takes the next turn of these keys for `send`. */
  function takeTurn(keys: readonly string[], send: () => Promise<void>): Promise<void> {
    const earlier = [...new Set(keys.map((key) => turns.get(key)))];
    const turn = Promise.allSettled(earlier).then(send);
    const quiet: Promise<void> = turn
      .catch(() => {})
      .then(() => {
        for (const key of keys) if (turns.get(key) === quiet) turns.delete(key);
      });
    for (const key of keys) turns.set(key, quiet);
    return turn;
  }

  /** Writes when the values are encoded, or cannot be, and every earlier call on the keys was sent. */
  function inTurn<T>(
    keys: readonly string[],
    values: readonly MaybePromise<Stored>[],
    write: (values: readonly PromiseSettledResult<Stored>[]) => Promise<T>,
  ): Promise<T> {
    return bounded(
      async (checkDeadline) => {
        let answer: Promise<T> | undefined;
        const encoding = Promise.allSettled(values);
        await takeTurn(keys, async () => {
          const encoded = await encoding;
          checkDeadline();
          // The next turn begins when this one was sent; its answer may come later.
          answer = write(encoded);
          answer.catch(() => {});
        });
        return answer as Promise<T>;
      },
      Math.ceil(keys.length / batchSize),
    );
  }

  /** `failed` takes the turn of a value that has no bytes. */
  function writeInTurn<T>(
    key: string,
    value: MaybePromise<Stored>,
    write: (value: Stored) => Promise<T>,
    failed?: () => Promise<unknown>,
  ): Promise<T> {
    if (!(value instanceof Promise) && !turns.has(key)) return write(value);
    return inTurn([key], [value], ([result]) => {
      if (result?.status === 'fulfilled') return write(result.value);
      failed?.().catch(() => {});
      return Promise.reject(result?.reason);
    });
  }

  /** Stores the values that have bytes, and deletes what the others were to replace. */
  async function setEncoded(
    entries: readonly SetEntry<MaybePromise<Stored>>[],
    values: readonly PromiseSettledResult<Stored>[],
  ): Promise<PromiseSettledResult<unknown>[]> {
    const encoded = entries.flatMap((entry, i) => (values[i]?.status === 'fulfilled' ? [{ ...entry, value: values[i].value }] : []));
    const failed = entries.filter((_, i) => values[i]?.status === 'rejected').map(({ key }) => key);
    if (failed.length > 0) commands.unlink(failed, { counted: false }).catch(() => {});
    const sent = (encoded.length > 0 ? await commands.setMany(encoded) : []).values();
    return values.map((value) => (value.status === 'rejected' ? value : (sent.next().value as PromiseSettledResult<unknown>)));
  }

  /** Makes a call after the earlier ones on its keys. */
  function afterTurns<T>(keys: readonly (string | Buffer)[], call: () => Promise<T>): Promise<T> {
    const pending = keys.map((key) => turns.get(String(key))).filter((turn) => turn !== undefined);
    if (pending.length === 0) return call();
    return bounded(
      async (checkDeadline) => {
        await Promise.all(pending);
        checkDeadline();
        return call();
      },
      Math.ceil(keys.length / batchSize),
    );
  }

  const ordered = wrapEach(
    commands,
    (verb, call) => (a, b, c, d) => (turns.size === 0 ? call(a, b, c, d) : afterTurns(verb.keys(a, b), () => call(a, b, c, d))),
  );

  return {
    ...ordered,
    // Written out, as is `set`: they are called so often that it can be measured.
    get: (key) => (turns.size === 0 ? commands.get(key) : ordered.get(key)),
    set(key, value, ttl) {
      if (turns.size === 0 && !(value instanceof Promise)) return commands.set(key, value, ttl);
      // A value that cannot be encoded deletes the entry that it was to replace.
      const unlink = (): Promise<number> => commands.unlink([key], { counted: false });
      return writeInTurn(key, value, (encoded) => commands.set(key, encoded, ttl), unlink);
    },
    add: (key, value, ttl) => writeInTurn(key, value, (encoded) => commands.add(key, encoded, ttl)),
    setUnderLease: ({ key, value, ttl }, claim) =>
      writeInTurn(key, value, (encoded) => commands.setUnderLease({ key, value: encoded, ttl }, claim)),
    setMany(entries) {
      const isLate = entries.some(({ key, value }) => value instanceof Promise || (turns.size > 0 && turns.has(key)));
      if (!isLate) return commands.setMany(entries as readonly SetEntry[]);
      const keys = entries.map(({ key }) => key);
      const values = entries.map(({ value }) => value);
      return inTurn(keys, values, (encoded) => setEncoded(entries, encoded));
    },
    idle: () => Promise.all(turns.values()),
    async *scan(glob, cursor) {
      await Promise.all(turns.values());
      yield* commands.scan(glob, cursor);
    },
  };
}
