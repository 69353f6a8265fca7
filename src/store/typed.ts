import { parseSliding, type WriteOptions } from '../cache/call-options.js';
import { callOptions, checkArgument, type NamesOf } from '../checks.js';
import { isSchema, type StandardSchema } from '../codec/schema.js';
import { type MaybePromise, then } from '../codec/serializers.js';
import type { Factory } from '../load/factory.js';
import type { GetOrSetOptions } from '../load/load-options.js';
import type { Detailed } from '../load/loader.js';
import { attempt, unawaitedIfOurs } from '../time/waiting.js';
import { type Duration, type Milliseconds, redisTtl, type Ttl } from '../ttl.js';

/** The options of `typed`. */
export interface TypedOptions<Input, Output> {
  /** What every value has to match: a schema of zod, valibot, arktype or any other library that follows Standard Schema. */
  readonly schema: StandardSchema<Input, Output>;
  /** Text in front of every key. Default: none. */
  readonly prefix?: string | undefined;
  /** The time to live of what is stored: milliseconds, or text such as `'5m'`, unless the call has one. Default: that of the store. */
  readonly ttl?: Ttl;
  /** Sliding expiration, as in `with`: each read renews the time to live. Default: none. */
  readonly sliding?: Duration | undefined;
}

/** A view of a store whose values match a schema: `Input` is what is stored, and `Output` what the schema makes of it when it is read. */
export interface TypedStore<Input, Output> {
  /** The value, or `undefined`. One that does not match is a miss with a SchemaError in the `error` event, and is deleted. */
  get(key: string): Promise<Output | undefined>;
  /** The values in the order of the keys. */
  mget(...keys: string[]): Promise<(Output | undefined)[]>;
  /** Stores the value as it is. @throws {SchemaError} if it does not match, before Redis is asked */
  set(key: string, value: Input, how?: Ttl | WriteOptions): Promise<void>;
  /** `getOrSet`. A result of the function that does not match rejects with a SchemaError and is not stored. */
  getOrSet(key: string, value: Input | Factory<Input>, options?: Ttl | GetOrSetOptions): Promise<Output>;
  /** `getOrSetDetailed`. */
  getOrSetDetailed(key: string, value: Input | Factory<Input>, options?: Ttl | GetOrSetOptions): Promise<Detailed<Output>>;
  has(key: string): Promise<boolean>;
  del(key: string): Promise<void>;
  ttl(key: string): Promise<number>;
  touch(key: string, ttl?: Ttl): Promise<boolean>;
}

/** The methods of a store that a view takes. */
interface Store extends Pick<TypedStore<unknown, unknown>, 'mget' | 'set' | 'has' | 'del' | 'ttl' | 'touch'> {
  get<T>(key: string): Promise<T | undefined>;
  getOrSet<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<T>;
  getOrSetDetailed<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<Detailed<T>>;
}

const known: NamesOf<TypedOptions<unknown, unknown>> = { schema: true, prefix: true, ttl: true, sliding: true };

/** The store whose values match the schema. `open`: makes a view of it with the schema in its cache, and a check of what is to be stored. */
export function typed<Input, Output>(
  options: TypedOptions<Input, Output>,
  open: (
    schema: StandardSchema,
    sliding: Milliseconds | undefined,
  ) => readonly [Store, storable: (key: string, value: unknown) => MaybePromise<unknown>],
): TypedStore<Input, Output> {
  const { schema, prefix = '', ttl: standard, sliding } = callOptions('typed', options, known);
  checkArgument('schema', 'a schema that follows Standard Schema', schema, isSchema(schema));
  checkArgument('prefix', 'a string', prefix, typeof prefix === 'string');
  if (standard !== undefined) redisTtl(standard);
  const [store, storable] = open(schema as StandardSchema, parseSliding(sliding));
  // A key that is no string is refused by the store.
  const keyOf = (key: string): string => (typeof key === 'string' ? prefix + key : key);

  /** The options of a call, with the time to live of the view in place of none. */
  function timed<Options extends Pick<WriteOptions, 'ttl' | 'expireAt'>>(how: Ttl | Options): Ttl | Options {
    if (standard === undefined) return how;
    if (typeof how !== 'object' || how === null) return how === undefined ? standard : how;
    return how.ttl === undefined && how.expireAt === undefined ? { ...how, ttl: standard } : how;
  }

  return {
    get: (key) => store.get(keyOf(key)),
    mget: (...keys) => store.mget(...keys.map(keyOf)) as Promise<(Output | undefined)[]>,
    set: (key, value, how) =>
      unawaitedIfOurs(attempt(() => then(storable(keyOf(key), value), () => store.set(keyOf(key), value, timed(how))) as Promise<void>)),
    getOrSet: (key, value, how) => store.getOrSet(keyOf(key), value as unknown as Factory<Output>, timed(how)),
    getOrSetDetailed: (key, value, how) => store.getOrSetDetailed(keyOf(key), value as unknown as Factory<Output>, timed(how)),
    has: (key) => store.has(keyOf(key)),
    del: (key) => store.del(keyOf(key)),
    ttl: (key) => store.ttl(keyOf(key)),
    touch: (key, ttl) => store.touch(keyOf(key), ttl === undefined ? standard : ttl),
  };
}
