import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type Keyv from 'keyv';
import { check } from '../checks.js';
import { OptionError } from '../errors.js';
import { type Connect, optionsOf } from '../options/locations.js';
import type { StoreOptions } from '../options/options.js';
import { warnOfSeconds } from '../options/seconds.js';
import { unawaitedIfOurs } from '../time/waiting.js';
import { milliseconds } from '../ttl.js';
import { KeyvRedisStore } from './adapter.js';
import { calls, type KeyvModule, type KeyvRedisOptions, majorOf } from './contract.js';
import { answerRawReads, guarded, KeyvTexts, standard, type TextFunctions } from './envelope.js';
import { requireKeyv, resolver } from './installed.js';

/** Options of Keyv that `createKeyv` passes on. An option that the installed major lacks is an error. */
export interface OwnOptions {
  /** Whether the Keyv emits `error`. `false` for `got`, which fails a request for each such event. Default true. */
  readonly emitErrors?: boolean | undefined;
  /** Keyv 4 and 5: whether failed calls reject, the same as `onFailure: 'throw'`. Default false. */
  readonly throwOnErrors?: boolean | undefined;
  /** Keyv 4 and 5: encodes Keyv's envelope `{ value, expires }` as text. Default: JSON in which Buffers survive. */
  readonly serialize?: ((data: never) => string | Promise<string>) | undefined;
  /** Keyv 4 and 5: decodes the text of `serialize`. Default: Keyv's own. */
  readonly deserialize?: ((text: string) => unknown) | undefined;
  /** Keyv 6: encodes and decodes the envelope. Default: Keyv's own JSON. */
  readonly serialization?: false | { stringify(data: unknown): string | Promise<string>; parse(text: string): unknown } | undefined;
  /** Keyv 5 and 6: whether the Keyv counts hits and misses in its own `stats`. Default false. */
  readonly stats?: boolean | undefined;
  /** Keyv 6: whether the Keyv checks the expiry of entries itself, so that `has` reads the value. Default true. */
  readonly checkExpired?: boolean | undefined;
  /** Keyv 6: how the Keyv sanitizes keys and namespaces. Default: not at all. */
  readonly sanitize?: unknown;
}

/** The options of the adapter, and those of Keyv itself. */
export interface CreateKeyvOptions extends Omit<KeyvRedisOptions, 'useKeyPrefix'>, OwnOptions {}

/**
 * Makes a Keyv on Redis, of the installed Keyv 4, 5 or 6. Keys in Redis are `namespace::key` under every major, as `@keyv/redis` writes
 * them. Connects on first use.
 *
 * @param connect a location, a client of node-redis, or options
 * @throws {OptionError} for a wrong option, and if no Keyv is installed
 * @example
 * const users = createKeyv('redis://localhost/1', { namespace: 'users', ttl: 60_000 });
 * await users.set('1', { name: 'Ada' });
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
  const version = versionOf('cache-manager');
  if (version === undefined || Number.parseInt(version, 10) < 6) return;
  throw new OptionError(`Keyv 4 does not work in cache-manager ${version}, which is installed beside it: npm install keyv@5`);
}

/** The majors of Keyv that have an option, and its type. */
const ownOptions: Record<keyof OwnOptions, { readonly majors: readonly number[]; readonly type: 'boolean' | 'function' | 'object' }> = {
  emitErrors: { majors: [4, 5, 6], type: 'boolean' },
  throwOnErrors: { majors: [4, 5], type: 'boolean' },
  serialize: { majors: [4, 5], type: 'function' },
  deserialize: { majors: [4, 5], type: 'function' },
  serialization: { majors: [6], type: 'object' },
  stats: { majors: [5, 6], type: 'boolean' },
  checkExpired: { majors: [6], type: 'boolean' },
  sanitize: { majors: [6], type: 'object' },
};

interface SplitOptions {
  readonly adapter: KeyvRedisOptions;
  readonly namespace: string | undefined;
  readonly ttl: { readonly ttl?: unknown };
  readonly own: OwnOptions;
}

/** @throws {OptionError} for an option that the major lacks */
function splitOptions(major: 4 | 5 | 6, options: KeyvRedisOptions & OwnOptions): SplitOptions {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  const isOwn = (name: string): name is keyof OwnOptions => Object.hasOwn(ownOptions, name);
  const own: Record<string, unknown> = Object.fromEntries(entries.filter(([name]) => isOwn(name)));
  const rest = Object.fromEntries(entries.filter(([name]) => !isOwn(name))) as KeyvRedisOptions;

  for (const [name, value] of Object.entries(own)) {
    const { majors, type } = ownOptions[name as keyof OwnOptions];
    if (!majors.includes(major)) throw new OptionError(`expected \`${name}\` to be left out: Keyv ${major} does not have it`);
    // Keyv 6 stores values as they are with `serialization: false`.
    const isOff = name === 'serialization' && value === false;
    check(name, type === 'object' ? 'an object' : `a ${type}`, value, isOff || (typeof value === type && value !== null));
  }
  const { useKeyPrefix } = rest;
  check('useKeyPrefix', 'left out: the Keyv of `createKeyv` adds no prefix of its own', useKeyPrefix, useKeyPrefix === undefined);
  const throws = own['throwOnErrors'] ?? rest.onFailure === 'throw';
  if (rest.onFailure !== undefined && throws !== (rest.onFailure === 'throw')) {
    throw new OptionError('expected `throwOnErrors` to agree with `onFailure`');
  }

  // Keyv writes the time to live into its envelope, so it has to know it. The adapter must not know it then, or entries without an end
  // would get one. A function of the value is for the adapter alone.
  const { namespace } = rest;
  warnOfSeconds(rest);
  const ttl = milliseconds(rest.ttl);
  const isFixed = typeof ttl === 'number' && ttl > 0 && Number.isFinite(ttl);
  return {
    adapter: {
      ...rest,
      useKeyPrefix: major === 4,
      ...(isFixed ? { ttl: undefined } : {}),
      ...(throws ? { onFailure: 'throw' } : {}),
    },
    namespace,
    ttl: isFixed ? { ttl } : {},
    own: major === 5 ? { ...own, throwOnErrors: throws as boolean } : own,
  };
}

/** The parts of a Keyv that {@link createKeyv} made. */
export interface Origin {
  readonly keyv: KeyvModule;
  readonly adapter: KeyvRedisStore;
  readonly split: SplitOptions;
}

const origins = new WeakMap<object, Origin>();

/** The parts of this Keyv, if {@link createKeyv} made it. @internal */
export function origin(made: unknown): Origin | undefined {
  return typeof made === 'object' && made !== null ? origins.get(made) : undefined;
}

/** @internal */
export function createKeyvOf(keyv: KeyvModule, connect?: unknown, options?: unknown): unknown {
  const split = splitOptions(majorOf(keyv), optionsOf<StoreOptions>('createKeyv', connect, options) as CreateKeyvOptions);
  // The functions of the Keyv report to the adapter, and the adapter iterates with them.
  const texts = new KeyvTexts((text) => made.texts?.parse(text));
  const adapter = new KeyvRedisStore(split.adapter, undefined, texts);
  const of = { keyv, adapter, split };
  const made = wrapped(of, adapter);
  if (split.adapter.onFailure === 'throw') markCalls(made.keyv);
  origins.set(made.keyv, of);
  return made.keyv;
}

/** `got` wraps a Keyv of another copy in its own Keyv 4 or 5, which reads this property. */
const dialect = 'redis';

/** Makes a Keyv around the adapter, or around a view of it, with functions that encode and decode its texts. @internal */
export function wrapped({ keyv, adapter, split }: Origin, store: object): { readonly keyv: object; readonly texts?: TextFunctions } {
  const Constructor = keyv.Keyv ?? keyv.default ?? keyv;
  const { namespace, ttl, own } = split;
  // `standard` checks values itself; Keyv's own JSON does not.
  const json = majorOf(keyv) !== 5 && own.serialize === undefined && own.serialization === undefined;
  const guard = (functions: TextFunctions): TextFunctions => guarded(functions, KeyvRedisStore.internalsOf(adapter), json);
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
      // Keyv's own prefix would be a second one, and would make `users:1` and `1` the same key in the namespace `users`.
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
      // The emitter of Keyv 4 throws an error that has no listener.
      four.on('error', () => {});
      return { keyv: four, texts };
    }
  }
}

/** The methods of a Keyv that reject when its adapter does. */
const rejecting = [...calls, 'getRaw', 'getManyRaw', 'setRaw', 'setManyRaw'];

/** Keyv returns promises of its own, whose rejections callers may leave unhandled. */
function markCalls(keyv: object): void {
  for (const name of rejecting) {
    const method = Reflect.get(keyv, name) as ((...args: unknown[]) => Promise<unknown>) | undefined;
    if (!method) continue;
    const value = (...args: unknown[]): Promise<unknown> => unawaitedIfOurs(method.apply(keyv, args));
    Object.defineProperty(keyv, name, { value, configurable: true, writable: true });
  }
}

/** Does for Keyv 6 what `emitErrors: false` does for Keyv 4 and 5. */
function silence(keyv: { emit(event: string, ...args: unknown[]): unknown }): void {
  const { emit } = keyv;
  keyv.emit = (event, ...args) => (event === 'error' ? false : emit.call(keyv, event, ...args));
}

/** The version of the package that `require(name)` would find from here, or `undefined`. */
function versionOf(name: string): string | undefined {
  for (const modules of resolver.resolve.paths(name) ?? []) {
    try {
      return JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
