import { callOptions, checkArgument } from '../checks.js';
import { digestOf } from '../codec/digest.js';
import { asMissing, type ReadEntry, StoredEntry } from '../codec/entry.js';
import { prefixLength } from '../commands/commands.js';
import { unlessRefused } from '../connection/trial.js';
import { ArgumentError, MissingKeyError, UnsupportedError } from '../errors.js';
import { TimeBudget } from '../time/budget.js';
import { type CheckDeadline, runningTime, withDeadline } from '../time/deadlines.js';
import { attempt } from '../time/waiting.js';
import { type Milliseconds, type RedisTtl, redisTtl, type Ttl } from '../ttl.js';
import { checkTags, type WriteOptions } from './call-options.js';
import { targetsOf } from './outdated.js';
import { freshFor, type Reader } from './reader.js';
import { recordRead } from './recording.js';
import type { CacheCore, Values } from './values.js';
import type { EncodingEntry, Writer } from './writer.js';

/** How `incr` and `decr` count. */
export interface CounterOptions {
  /** Where a missing key starts. Without it a missing key is an error. */
  readonly initial?: number | undefined;
  /** Time to live of a key that this call creates: milliseconds, or text such as `'5m'`. Default: that of the store. An existing key keeps its own. */
  readonly ttl?: Ttl;
}

/** The first bytes of an entry, which tell whether it ages or has tags. */
const markerLength = 64;

interface ReadWriteCache extends CacheCore {
  readonly values: Values;
  readonly reader: Reader;
  readonly writer: Writer;
}

/** Changes to entries that depend on what is stored. */
export class Updates {
  readonly #cache: ReadWriteCache;

  constructor(cache: ReadWriteCache) {
    this.#cache = cache;
  }

  touch(key: string, ttl?: Ttl): Promise<boolean> {
    return this.#cache.policy.failLoud({ name: 'touch', key }, async () => {
      const { keys, ttl: policy } = this.#cache.context;
      return this.#expire(keys.toRedisKey(key), policy(ttl));
    });
  }

  /** Renews the time to live of an entry that was read, in the background. A newer entry keeps its own. */
  slide(redisKey: string, entry: StoredEntry, time: Milliseconds): void {
    const { ttl, background, sliding } = this.#cache.context;
    const left = ttl(time);
    sliding.touched(redisKey, time, left ?? time);
    const touched = attempt(() => this.#renew(redisKey, entry, left));
    // If Redis is away or refuses it, the reads of the application tell.
    const failed = (): void => sliding.forget(redisKey);
    background.add(touched.then((isSame) => isSame || failed(), failed));
  }

  /** The new time of an entry that is as it was read, and of its tags. @returns whether it is */
  async #renew(redisKey: string, entry: StoredEntry, time: RedisTtl): Promise<boolean> {
    const isSame = await this.#cache.context.commands.expireUnchanged(redisKey, digestOf(entry.bytes), time);
    if (isSame && entry.isTagged) await this.#cache.tags.outlast(redisKey, entry.bytes, time);
    return isSame;
  }

  persist(key: string): Promise<boolean> {
    return this.#cache.policy.failLoud({ name: 'persist', key }, async () => {
      const { keys, commands, timeout, ttl } = this.#cache.context;
      const redisKey = keys.toRedisKey(key);
      const maxTtl = ttl(null);
      if (maxTtl !== undefined) return this.#expire(redisKey, maxTtl);
      const began = runningTime();
      const askPrefix = (): Promise<(Buffer | null)[]> => commands.prefixes([redisKey], prefixLength);
      const ask = (): Promise<[boolean, (Buffer | null)[]]> => {
        const asked = commands.persist(redisKey);
        return Promise.all([asked, unlessRefused(askPrefix(), asked, askPrefix)]);
      };
      const [persisted, [prefix]] = await this.#cache.tags.ifValid(redisKey, ask, [false, []]);
      if (persisted && prefix) await new TimeBudget(timeout, began).run(this.#cache.tags.outlast(redisKey, prefix, undefined));
      return persisted;
    });
  }

  async #expire(redisKey: string, ttl: RedisTtl): Promise<boolean> {
    this.#cache.context.sliding.forget(redisKey);
    const began = runningTime();
    const prefix = await this.#cache.tags.ifValid(redisKey, () => this.#cache.context.commands.expire(redisKey, ttl), null);
    if (prefix?.length) await new TimeBudget(this.#cache.context.timeout, began).run(this.#cache.tags.outlast(redisKey, prefix, ttl));
    return prefix !== null;
  }

  add(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<boolean> {
    return this.#cache.policy.failLoud({ name: 'add', key }, async () => {
      const entry = this.#cache.writer.entry(key, value, how);
      if (entry === undefined) return false;
      if (entry.kept) throw new ArgumentError('`add` stores only where there is no entry whose time it could keep: leave `keepTtl` out');
      this.#cache.context.loads.forget(entry.key);
      return withDeadline(this.#cache.context.timeout, (checkDeadline) => this.#add(entry, checkDeadline));
    });
  }

  /** Redis: SET NX. If the key exists: GETRANGE. If that may be stale: PTTL, GET, GET of its tags, and a compare-and-set script. */
  async #add({ key, value, ttl, isTagged }: EncodingEntry, checkDeadline: CheckDeadline): Promise<boolean> {
    const { commands } = this.#cache.context;
    if (await commands.add(key, value, ttl)) return true;
    checkDeadline();
    if (!isTagged && !this.#cache.tags.strict && !(await this.#mayBeStale(key))) return false;
    checkDeadline();
    const { entry, left } = await commands.getWithTtl(key);
    checkDeadline();
    if (!entry.found) return commands.add(key, value, ttl);
    if (freshFor({ entry, left, at: 0 }) > 0 && (await this.#cache.tags.check([entry]))[0]?.found) return false;
    checkDeadline();
    if (await commands.replace(key, entry.bytes, await value, ttl)) return true;
    // Another caller's now, or expired.
    checkDeadline();
    return commands.add(key, value, ttl);
  }

  async #mayBeStale(redisKey: string): Promise<boolean> {
    const [prefix] = await this.#cache.context.commands.prefixes([redisKey], markerLength);
    return prefix ? this.#cache.values.needsCheck(StoredEntry.parse(prefix)) : false;
  }

  /** INCRBY, in a script. `operation`: `incr` or `decr`. */
  count(operation: string, key: string, delta: number, options: CounterOptions | undefined): Promise<number> {
    return this.#cache.policy.failLoud({ name: operation, key }, async () => {
      const { initial, ttl } = callOptions(operation, options, { initial: true, ttl: true });
      if (this.#cache.tags.lazy)
        throw new UnsupportedError(`Redis cannot count in an entry with a generation: ${operation} needs a store without \`lazyClear\``);
      if (this.#cache.context.codec.encrypted)
        throw new UnsupportedError(`Redis cannot count under \`encryption\`: ${operation} needs a store without it`);
      if (this.#cache.context.isEnveloped)
        throw new UnsupportedError(`Redis cannot count in the envelope of a Keyv: ${operation} needs a store of \`redisStore\``);
      checkArgument('delta', 'an integer', delta, Number.isSafeInteger(delta));
      checkArgument('initial', 'an integer', initial, initial === undefined || Number.isSafeInteger(initial));
      if (ttl !== undefined) redisTtl(ttl);
      const time = initial === undefined ? undefined : this.#cache.context.ttl(ttl, initial);
      const redisKey = this.#cache.context.keys.toRedisKey(key);
      this.#cache.context.loads.forget(redisKey);
      const sum = await this.#cache.context.commands.incrBy(redisKey, delta, initial, time);
      if (sum === undefined) throw new MissingKeyError();
      return sum;
    });
  }

  getAndDelete<T>(key: string): Promise<T | undefined> {
    return this.#cache.policy.failLoud({ name: 'getAndDelete', key }, async () => {
      const { commands, timeout } = this.#cache.context;
      const began = runningTime();
      const { redisKeys, leases } = targetsOf(this.#cache.context, [key]);
      const redisKey = redisKeys[0] as string;
      let entry: ReadEntry = await commands.getAndDelete(redisKey, leases[0]);
      if (this.#cache.tags.needsTagCheck(entry)) entry = await this.#cache.reader.withValidTags(entry, new TimeBudget(timeout, began));
      return this.#valueOf<T>('getAndDelete', key, redisKey, entry);
    });
  }

  getAndTouch<T>(key: string, ttl?: Ttl): Promise<T | undefined> {
    const { policy, tags, reader } = this.#cache;
    const answer = async (): Promise<T | undefined> => {
      const { commands, keys, timeout, sliding, ttl: lifetime } = this.#cache.context;
      const budget = new TimeBudget(timeout, runningTime());
      const redisKey = keys.toRedisKey(key);
      const life = lifetime(ttl);
      sliding.forget(redisKey);
      let entry: ReadEntry = await commands.getAndExpire(redisKey, life);
      if (tags.needsTagCheck(entry)) entry = await reader.withValidTags(entry, budget);
      // With tags it is renewed once they are known to be valid. The value counts, whether that succeeds or not.
      if (entry.found && entry.isTagged)
        await budget.run(this.#renew(redisKey, entry, life)).catch((error: unknown) => policy.report({ name: 'getAndTouch', key }, error));
      return this.#valueOf<T>('getAndTouch', key, redisKey, entry);
    };
    return policy.failOpen({ name: 'getAndTouch', key }, answer, undefined);
  }

  async #valueOf<T>(operation: string, key: string, redisKey: string, entry: ReadEntry): Promise<T | undefined> {
    const value = entry.found ? await this.#cache.values.decode(operation, key, entry, redisKey) : undefined;
    recordRead(this.#cache.context, operation, key, value === undefined ? asMissing(entry) : entry);
    return value as T | undefined;
  }

  /** The entry is stale from now on, or missing if it has no stale window. */
  expire(key: string): Promise<boolean> {
    return this.#cache.policy.failLoud({ name: 'expire', key }, async () => {
      const { redisKeys, leases } = targetsOf(this.#cache.context, [key]);
      return this.#cache.context.commands.expireNow(redisKeys[0] as string, leases[0]);
    });
  }

  expireTags(tags: readonly string[]): Promise<void> {
    return this.#cache.policy.failLoud({ name: 'expireTags' }, async () => {
      this.#cache.context.loads.close();
      await this.#cache.tags.expire(checkTags(tags));
    });
  }

  invalidateTags(tags: readonly string[]): Promise<void> {
    return this.#cache.policy.failLoud({ name: 'invalidateTags' }, async () => {
      // Any load under way may depend on them: later callers do not share it.
      this.#cache.context.loads.close();
      await this.#cache.tags.invalidate(checkTags(tags));
    });
  }
}
