import type { Stored } from '../codec/codec.js';
import type { MaybePromise } from '../codec/serializers.js';
import { abortable } from '../connection/abortable.js';
import type { CallOptions } from '../connection/guard.js';
import { type GoOn, inOneTime } from '../connection/in-one-time.js';
import type { Commands, Entry } from './commands.js';
import { batch } from './redis.js';
import type { TrackedReads } from './tracked.js';

/** Commands that take values which are still being encoded. */
export interface OrderedCommands extends Commands<MaybePromise<Stored>> {
  /** Resolves when every value that is being encoded now has gone out. */
  idle(): Promise<unknown>;
  /** Left out where no server tells what changes. */
  readonly tracked?: TrackedReads;
}

/**
 * Keeps the order of calls on one key while a value for it is being encoded (compression takes its time): what is asked
 * later goes out later, so a read sees the write before it and the last write wins. Where every value is there already,
 * which is the rule, calls go straight through.
 *
 * A call that waits has one deadline for that and for its answer, and where its caller was told that it failed it is not sent.
 */
export function inOrder(commands: Commands, { timeout, signal }: CallOptions = {}): OrderedCommands {
  /** For each key that a value is being encoded for: settles when the last of its writes has gone out. */
  const turns = new Map<string, Promise<unknown>>();

  /** `times`: how many deadlines it takes. */
  function bounded<T>(work: (goOn: GoOn) => Promise<T>, times = 1): Promise<T> {
    const inTime = (): Promise<T> => (timeout === undefined ? work(() => {}) : inOneTime(timeout * times, work));
    return signal ? abortable(signal, inTime) : inTime();
  }

  /** Writes the value when it is there and every earlier call on the key has gone out. `failed`: takes its turn if there is none. */
  function inTurn<T>(
    key: string,
    value: MaybePromise<Stored>,
    write: (value: Stored) => Promise<T>,
    failed?: () => Promise<unknown>,
  ): Promise<T> {
    if (!(value instanceof Promise) && !turns.has(key)) return write(value);
    return bounded((goOn) => waitForTurn(key, value, write, goOn, failed));
  }

  function waitForTurn<T>(
    key: string,
    value: MaybePromise<Stored>,
    write: (value: Stored) => Promise<T>,
    goOn: GoOn,
    failed?: () => Promise<unknown>,
  ): Promise<T> {
    const before = turns.get(key);
    let answer: Promise<T> | undefined;
    const turn = Promise.allSettled([value, before]).then(async ([result]) => {
      goOn();
      if (result.status === 'rejected') void failed?.();
      const encoded = await value;
      // Going out is what counts; the answer may come later.
      answer = write(encoded);
      answer.catch(() => {});
    });
    const quiet: Promise<void> = turn
      .catch(() => {})
      .then(() => {
        if (turns.get(key) === quiet) turns.delete(key);
      });
    turns.set(key, quiet);
    return turn.then(() => answer as Promise<T>);
  }

  /** The same for many, which go out together once the values of all are there. */
  function manyInTurn(entries: readonly Entry<MaybePromise<Stored>>[], goOn: GoOn): Promise<PromiseSettledResult<unknown>[]> {
    const before = [...new Set(entries.map(({ key }) => turns.get(key)))];
    let answers: Promise<PromiseSettledResult<unknown>[]> | undefined;
    const encoded = Promise.allSettled(entries.map(({ value }) => value));
    const turn = Promise.allSettled(before).then(async () => {
      const values = await encoded;
      const there = entries.flatMap(({ key, ttl }, i) => {
        const value = values[i] as PromiseSettledResult<Stored>;
        return value.status === 'fulfilled' ? [{ key, value: value.value, ttl }] : [];
      });
      goOn();
      const missing = entries.filter((_, i) => values[i]?.status === 'rejected').map(({ key }) => key);
      if (missing.length > 0) commands.del(missing, undefined, true).catch(() => {});
      answers = there.length === 0 ? Promise.resolve([]) : commands.setMany(there);
      answers.catch(() => {});
      return values;
    });
    const quiet: Promise<void> = turn
      .catch(() => {})
      .then(() => {
        for (const { key } of entries) if (turns.get(key) === quiet) turns.delete(key);
      });
    for (const { key } of entries) turns.set(key, quiet);
    return turn.then(async (values) => {
      const sent = ((await answers) ?? []).values();
      return values.map((value) => (value.status === 'rejected' ? value : (sent.next().value as PromiseSettledResult<unknown>)));
    });
  }

  function after<A extends readonly unknown[], R>(keys: readonly string[], call: (...args: A) => Promise<R>, args: A): Promise<R> {
    const pending = keys.map((key) => turns.get(key)).filter((turn) => turn !== undefined);
    if (pending.length === 0) return call(...args);
    return bounded(
      async (goOn) => {
        await Promise.all(pending);
        goOn();
        return call(...args);
      },
      Math.ceil(keys.length / batch),
    );
  }

  const onKey =
    <A extends unknown[], R>(call: (key: string, ...rest: A) => Promise<R>) =>
    (key: string, ...rest: A): Promise<R> =>
      turns.size === 0 ? call(key, ...rest) : after([key], call, [key, ...rest]);
  const onKeys =
    <A extends unknown[], R>(call: (keys: readonly string[], ...rest: A) => Promise<R>) =>
    (keys: readonly string[], ...rest: A): Promise<R> =>
      turns.size === 0 ? call(keys, ...rest) : after(keys, call, [keys, ...rest]);

  return {
    ...commands,
    get: onKey(commands.get),
    getMany: onKeys(commands.getMany),
    getWithTtl: onKey(commands.getWithTtl),
    set(key, value, ttl) {
      if (turns.size === 0 && !(value instanceof Promise)) return commands.set(key, value, ttl);
      // A value that cannot be encoded takes the entry with it that it was to replace.
      return inTurn(
        key,
        value,
        (encoded) => commands.set(key, encoded, ttl),
        () => commands.drop(key).catch(() => {}),
      );
    },
    add: (key, value, ttl) => inTurn(key, value, (encoded) => commands.add(key, encoded, ttl)),
    setMany(entries) {
      const late = entries.some(({ key, value }) => value instanceof Promise || turns.has(key));
      if (!late) return commands.setMany(entries as readonly Entry[]);
      return bounded((goOn) => manyInTurn(entries, goOn), Math.ceil(entries.length / batch));
    },
    replace: onKey(commands.replace),
    fill: ({ key, value, ttl }, claim) => inTurn(key, value, (encoded) => commands.fill({ key, value: encoded, ttl }, claim)),
    retire: onKey(commands.retire),
    del: (...args) => (turns.size === 0 ? commands.del(...args) : after(args[0].map(String), commands.del, args)),
    drop: onKey(commands.drop),
    sweep: (keys) => (turns.size === 0 ? commands.sweep(keys) : after(keys.map(String), commands.sweep, [keys])),
    heads: (keys, length) => (turns.size === 0 ? commands.heads(keys, length) : after(keys, commands.heads, [keys, length])),
    delEach: onKeys(commands.delEach),
    getAndDelete: onKey(commands.getAndDelete),
    has: onKey(commands.has),
    hasMany: onKeys(commands.hasMany),
    pttl: onKey(commands.pttl),
    pttlMany: onKeys(commands.pttlMany),
    expire: onKey(commands.expire),
    stamp: onKey(commands.stamp),
    persist: onKey(commands.persist),
    incrBy: onKey(commands.incrBy),
    rename: (from, to) => after([from, to], commands.rename, [from, to]),
    idle: () => Promise.all(turns.values()),
    async *scan(glob, cursor) {
      await Promise.all(turns.values());
      yield* commands.scan(glob, cursor);
    },
  };
}
