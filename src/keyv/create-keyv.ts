import type Keyv from 'keyv';
import { OptionError } from '../errors.js';
import type { StoreOptions } from '../options.js';
import { type Connect, optionsOf } from '../settings/ways-in.js';
import { unawaitedIfOurs } from '../unawaited.js';
import { type KeyvRedisOptions, KeyvRedisStore } from './adapter.js';
import { type KeyvModule, majorOf } from './contract.js';
import { KeyvTexts } from './envelope.js';
import { requireKeyv } from './installed.js';
import { keyvOptions, type OwnOptions, type SplitOptions } from './keyv-options.js';
import { manifestOf } from './manifest.js';
import { answerRawReads } from './raw-reads.js';
import { guarded, standard, type TextFunctions } from './serialization.js';

/** The adapter's options, and those of Keyv itself, which are passed on. */
export interface CreateKeyvOptions extends Omit<KeyvRedisOptions, 'useKeyPrefix'>, OwnOptions {}

/**
 * A Keyv on Redis, of the installed Keyv 4, 5 or 6: `createKeyv('redis://localhost/1', { namespace: 'users' })`. Keys in Redis are
 * `namespace::key`, the same under every major and the same as `@keyv/redis` writes them.
 *
 * @param connect a location, a client of node-redis, or options
 * @throws {OptionError} for an option that cannot be understood, and if no Keyv is installed
 */
export function createKeyv<Value = unknown>(connect?: Connect<CreateKeyvOptions>, options?: CreateKeyvOptions): Keyv<Value> {
  const keyv = installed();
  if (majorOf(keyv) === 4) refuseBesideCacheManager();
  return createKeyvOf(keyv, connect, options) as Keyv<Value>;
}

function installed(): KeyvModule {
  try {
    return requireKeyv();
  } catch (cause) {
    throw new OptionError('createKeyv needs the package `keyv`: npm install keyv', { cause });
  }
}

/** cache-manager 6 and 7 call methods that Keyv 4 does not have. */
function refuseBesideCacheManager(): void {
  const version = manifestOf('cache-manager')?.version;
  if (version === undefined || Number.parseInt(version, 10) < 6) return;
  throw new OptionError(`Keyv 4 does not work in cache-manager ${version}, which is installed beside it: npm install keyv@5`);
}

/** What a Keyv was made of. */
export interface Origin {
  readonly keyv: KeyvModule;
  readonly adapter: KeyvRedisStore;
  readonly split: SplitOptions;
}

const origins = new WeakMap<object, Origin>();

/** What {@link createKeyv} made this Keyv of. @internal */
export function origin(made: unknown): Origin | undefined {
  return typeof made === 'object' && made !== null ? origins.get(made) : undefined;
}

/** @internal */
export function createKeyvOf(keyv: KeyvModule, connect?: unknown, options?: unknown): unknown {
  const split = keyvOptions(majorOf(keyv), optionsOf<StoreOptions>('createKeyv', connect, options) as CreateKeyvOptions);
  // The Keyv reads with functions that know the adapter, and the adapter iterates with them.
  const texts = new KeyvTexts((text) => made.texts?.parse(text));
  const adapter = new KeyvRedisStore(split.adapter, undefined, texts);
  const of = { keyv, adapter, split };
  const made = wrapped(of, adapter);
  if (split.adapter.onFailure === 'throw') markCalls(made.keyv);
  origins.set(made.keyv, of);
  return made.keyv;
}

/** A Keyv 4 or 5 around this one, as `got` makes when its Keyv is another copy, asks for it. */
const dialect = 'redis';

/** A Keyv of its major around the store, which is the adapter or a view of it; and what it writes and reads with. @internal */
export function wrapped({ keyv, adapter, split }: Origin, store: object): { readonly keyv: object; readonly texts?: TextFunctions } {
  const Constructor = keyv.Keyv ?? keyv.default ?? keyv;
  const { namespace, ttl, own } = split;
  // That of Keyv itself. What `standard` makes of a value it looks at anyway.
  const json = majorOf(keyv) !== 5 && own.serialize === undefined && own.serialization === undefined;
  const guard = (functions: TextFunctions): TextFunctions => guarded(functions, adapter, json);
  switch (majorOf(keyv)) {
    case 6: {
      answerRawReads(keyv);
      const { emitErrors, ...rest } = own;
      const six = new Constructor({ ...rest, store, namespace, ...ttl });
      const texts = six.serialization && guard(six.serialization);
      six.serialization = texts;
      if (emitErrors === false) silence(six);
      return { keyv: six, texts };
    }
    case 5: {
      const texts = guard({ stringify: own.serialize ?? standard.stringify, parse: own.deserialize ?? standard.parse });
      const { stringify: serialize, parse: deserialize } = texts;
      // Keyv's own prefix would be a second one, and it takes `users:1` and `1` in the namespace `users` for the same key.
      return { keyv: new Constructor({ ...own, dialect, store, namespace, useKeyPrefix: false, serialize, deserialize, ...ttl }), texts };
    }
    default: {
      const { emitErrors } = own;
      const four = new Constructor(
        { ...own, dialect, store, namespace: namespace ?? '', ...ttl },
        emitErrors === undefined ? {} : { emitErrors },
      );
      const texts = guard({ stringify: four.opts.serialize, parse: four.opts.deserialize });
      Object.assign(four.opts, { serialize: texts.stringify, deserialize: texts.parse });
      // Keyv 4 emits errors on an emitter that throws if nothing listens.
      four.on('error', () => {});
      return { keyv: four, texts };
    }
  }
}

/** Methods of a Keyv that pass on what its adapter throws. */
const calls = [
  'get',
  'getMany',
  'getRaw',
  'getManyRaw',
  'set',
  'setMany',
  'setRaw',
  'setManyRaw',
  'delete',
  'deleteMany',
  'has',
  'hasMany',
  'clear',
];

/** Keyv passes failures on in promises of its own, which callers may drop. */
function markCalls(keyv: object): void {
  for (const name of calls) {
    const method = Reflect.get(keyv, name) as ((...args: unknown[]) => Promise<unknown>) | undefined;
    if (!method) continue;
    const value = (...args: unknown[]): Promise<unknown> => unawaitedIfOurs(method.apply(keyv, args));
    Object.defineProperty(keyv, name, { value, configurable: true, writable: true });
  }
}

/** What `emitErrors: false` does in Keyv 4 and 5. */
function silence(keyv: { emit(event: string, ...args: unknown[]): unknown }): void {
  const { emit } = keyv;
  keyv.emit = (event, ...args) => (event === 'error' ? false : emit.call(keyv, event, ...args));
}
