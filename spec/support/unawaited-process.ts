// Calls every method of the faces and awaits none of them: `node unawaited-process.js FACE;FACE… LOCATION KIND [METHOD]`. Prints `ready`
// and the methods once all are connected, begins when it reads a line, disconnects, and prints `done`.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as cm7 from 'cache-manager';
import * as cm5 from 'cache-manager5';
import * as cm6 from 'cache-manager6';
import * as keyv5 from 'keyv';
import * as keyv4 from 'keyv4';
import * as keyv6 from 'keyv6';
import { type RedisStore, redisStore, type StandardSchema, type StoreOptions } from '../../src/index.js';
import type { KeyvModule } from '../../src/keyv/contract.js';
import { createKeyvOf } from '../../src/keyv/create-keyv.js';
import { Unencodable } from '../../src/keyv/envelope.js';
import { CodecError, KeyvRedisStore } from '../../src/keyv.js';

/** A face, as far as it is used here: how to call each method, and how to end. */
interface Face {
  readonly methods: Readonly<Record<string, () => unknown>>;
  /** The object whose public methods all have to be among `methods`. */
  readonly complete?: object;
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
}

// biome-ignore lint/suspicious/noExplicitAny: every major of every library
type Any = any;

const [chosen = '', location = '127.0.0.1:1', kind = 'right', only] = require.main === module ? process.argv.slice(2) : [];
const options: StoreOptions = { location, timeout: 200 };
/** A wrong one is what a function of the application gives for a token that has expired. */
const ttl = kind === 'wrong' ? -5 : 5000;
const key = kind === 'wrong' ? (5 as never) : 'k';
const make = async (): Promise<object> => ({ made: true });

/** A schema of every value. */
const anything: StandardSchema = { '~standard': { version: 1, vendor: 'spec', validate: (value) => ({ value }) } };

/** How to call each method that a store and its views have. */
function calls(it: () => RedisStore): Face['methods'] {
  return {
    get: () => it().get(key),
    setNothing: () => it().set('k', undefined),
    clear: () => it().clear(),
    delPattern: () => it().delPattern(kind === 'wrong' ? (undefined as never) : '*'),
    keys: () => it().keys(),
    has: () => it().has(key),
    ttl: () => it().ttl(key),
    touch: () => it().touch('k', ttl),
    persist: () => it().persist(key),
    getAndTouch: () => it().getAndTouch(key, ttl),
    expire: () => it().expire(key),
    expireTags: () => it().expireTags(['t']),
    keepTtl: () => it().set('k', 1, { keepTtl: true, ttl }),
    sliding: () => it().with({ sliding: 60_000 }).get(key),
    add: () => it().add('k', 1, ttl),
    incr: () => it().incr('n', 1, { initial: 0 }),
    decr: () => it().decr('n', 1, { initial: 0 }),
    incrVersion: () => it().incrVersion('n'),
    getOrSet: () => it().getOrSet('loaded', make),
    getOrSetTagged: () => it().getOrSet(key, make, { tags: ['t'], staleFor: 1000, ttl }),
    getOrSetDetailed: () => it().getOrSetDetailed(key, make),
    getOrSetMany: () => it().getOrSetMany([key], () => ({ k: 1 })),
    memoize: () => it().memoize(make, { key: () => key })(),
    typed: () => it().typed({ schema: anything }).set(key, 1, ttl),
    getAndDelete: () => it().getAndDelete(key),
    invalidateTags: () => it().invalidateTags(['t']),
    sweep: () => it().sweep(),
    mget: () => it().mget(key),
    set: () => it().set('k', 1, ttl),
    mset: () => it().mset([['k', 1]], ttl),
    del: () => it().del(key),
    mdel: () => it().mdel(key),
    reset: () => it().reset(),
    lock: () => it().lock(key),
    withLock: () => it().withLock(key, make),
    ping: () => it().ping(),
    ready: () => it().ready(),
  };
}

function store(more: StoreOptions = {}): Face {
  const it = redisStore({ ...options, ...more });
  return {
    connect: () => it.get('warm'),
    disconnect: () => it.disconnect(),
    complete: it,
    methods: calls(() => it),
  };
}

/** A view of a store whose callers give up. */
function view(signal: () => AbortSignal): Face {
  const it = redisStore(options);
  return {
    connect: () => it.get('warm'),
    disconnect: () => it.disconnect(),
    complete: it.with({}),
    methods: calls(() => it.with({ signal: signal() })),
  };
}

/** Keyv's adapter without a Keyv. `six`: as Keyv 6 uses it, with times since 1970. */
function adapter(more: StoreOptions = {}, six = false): Face {
  const it = new KeyvRedisStore({ ...options, ...more });
  if (six) it.capabilities;
  const past = Date.now() - 1000;
  return {
    connect: () => it.get('warm').catch(() => {}),
    disconnect: () => it.disconnect(),
    complete: it,
    methods: {
      get: () => it.get(key),
      getMany: () => it.getMany([key]),
      set: () => it.set(key, '1', ttl),
      setMany: () => it.setMany([{ key, value: '1', ttl }]),
      setExpired: () => it.set(key, '1', past),
      setManyExpired: () => it.setMany([{ key, value: '1', expires: past }]),
      setUnencodable: () => it.set(key, new Unencodable(new CodecError('no bytes')) as never),
      delete: () => it.delete(key),
      deleteMany: () => it.deleteMany([key]),
      has: () => it.has(key),
      hasMany: () => it.hasMany([key]),
      clear: () => it.clear(),
      clearThose: () => it.clear('some'),
      invalidateTags: () => it.invalidateTags(['t']),
      ping: () => it.ping(),
      ready: () => it.ready(),
    },
  };
}

async function five(tiers: boolean): Promise<Face> {
  const it = redisStore({ ...options, invalidations: 'queue' });
  const alone: Any = await cm5.caching(it);
  const cache: Any = tiers ? cm5.multiCaching([await cm5.caching('memory'), alone]) : alone;
  return {
    connect: () => it.get('warm'),
    disconnect: () => it.disconnect(),
    methods: {
      get: () => cache.get('k'),
      // cache-manager 5 makes promises of its own around these: where the store rejects, those reject too. `multiCaching` swallows it.
      ...(kind === 'right' || tiers ? { set: () => cache.set('k', 1, ttl), del: () => cache.del(key), reset: () => cache.reset() } : {}),
      wrap: () => cache.wrap('w', make, () => ttl),
      refresh: () => cache.wrap('w', make, () => ttl, 60_000),
      storeMset: () => it.mset([['k', 1]], ttl),
      storeMdel: () => it.mdel(key),
    },
  };
}

function later(createCache: Any, keyv: Any, nonBlocking: boolean): Face {
  const cache = createCache({ stores: [new keyv5.Keyv(), keyv], nonBlocking });
  return {
    connect: () => keyv.get('warm'),
    disconnect: () => cache.disconnect(),
    methods: {
      get: () => cache.get(key),
      mget: () => cache.mget([key]),
      set: () => cache.set('k', 1, ttl),
      mset: () => cache.mset([{ key: 'k', value: 1, ttl }]),
      del: () => cache.del('k'),
      mdel: () => cache.mdel(['k']),
      clear: () => cache.clear(),
      ttl: () => cache.ttl('k'),
      wrap: () => cache.wrap('w', make, () => ttl),
      refresh: () => cache.wrap('w', make, { ttl: () => ttl, refreshThreshold: 60_000 }),
    },
  };
}

function keyv(it: Any): Face {
  return {
    connect: () => it.get('warm'),
    disconnect: () => it.disconnect(),
    methods: {
      get: () => it.get('k'),
      getAll: () => it.get(['k', 'l']),
      set: () => it.set('k', 1, ttl),
      setMany: () => it.setMany?.([{ key: 'k', value: 1, ttl }]),
      unencodable: () => it.set('k', { n: 1n }),
      delete: () => it.delete('k'),
      deleteAll: () => it.delete(['k', 'l']),
      clear: () => it.clear(),
      has: () => it.has('k'),
      getMany: () => it.getMany?.(['k', 'l']),
      getRaw: () => it.getRaw?.('k'),
      deleteMany: () => it.deleteMany?.(['k', 'l']),
      hasMany: () => it.hasMany?.(['k', 'l']),
    },
  };
}

const modules: Readonly<Record<string, KeyvModule>> = { 4: keyv4 as Any, 5: keyv5 as Any, 6: keyv6 as Any };
const made = (major: string, more: StoreOptions = {}): Any =>
  createKeyvOf(modules[major] as KeyvModule, { ...options, ...more, namespace: 'n' });
function byHand(major: string): Any {
  const { Keyv, default: Default } = modules[major] as KeyvModule;
  return new (Keyv ?? Default)({ store: new KeyvRedisStore(options), namespace: 'n' });
}

/** Every way to hold it. */
export const faces: Readonly<Record<string, () => Face | Promise<Face>>> = {
  store: () => store(),
  'store that throws': () => store({ onFailure: 'throw' }),
  'view, aborted before': () => view(() => AbortSignal.abort()),
  'view, aborted meanwhile': () => view(() => AbortSignal.timeout(20)),
  adapter: () => adapter(),
  'adapter that throws': () => adapter({ onFailure: 'throw' }),
  'adapter under Keyv 6 that throws': () => adapter({ onFailure: 'throw' }, true),
  'cache-manager 5': () => five(false),
  'cache-manager 5, multiCaching': () => five(true),
  ...Object.fromEntries(
    [false, true].flatMap((nonBlocking) => {
      const how = nonBlocking ? ', nonBlocking' : '';
      return [
        [`cache-manager 6${how}`, () => later(cm6.createCache, made('5'), nonBlocking)],
        [`cache-manager 7${how}`, () => later(cm7.createCache, made('5'), nonBlocking)],
        [`cache-manager 7, Keyv 6${how}`, () => later(cm7.createCache, made('6'), nonBlocking)],
      ];
    }),
  ),
  ...Object.fromEntries(Object.keys(modules).map((major) => [`Keyv ${major}, createKeyv`, () => keyv(made(major))])),
  ...Object.fromEntries(
    Object.keys(modules).map((major) => [`Keyv ${major}, createKeyv that throws`, () => keyv(made(major, { onFailure: 'throw' }))]),
  ),
  ...Object.fromEntries(Object.keys(modules).map((major) => [`Keyv ${major}, new Keyv`, () => keyv(byHand(major))])),
};

/** Public methods that return no promise, and `disconnect`, which ends every run. */
const notCalled = new Set('constructor with stats on off isCacheable iterate reencode iterator disconnect'.split(' '));

/** The public methods of the object that the face does not call. */
export function uncalled({ complete, methods }: Face): string[] {
  const names = new Set<string>();
  for (let type = complete; type && type !== Object.prototype; type = Object.getPrototypeOf(type)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type)))
      if (typeof value === 'function') names.add(name);
  }
  return [...names].filter((name) => !notCalled.has(name) && !Object.hasOwn(methods, name));
}

/** Calls the methods one after the other, a few of them before the first has settled. */
async function callAll(name: string, { methods }: Face): Promise<void> {
  for (const [method, call] of Object.entries(methods)) {
    if (only !== undefined && method !== only) continue;
    // Keyv 5 has no bytes for this value, and rejects by itself before an adapter is asked.
    if (method === 'unencodable' && / [45], new Keyv/.test(name)) continue;
    void call();
    await sleep(10);
  }
}

async function main(): Promise<void> {
  const names = chosen.split(';');
  const held = await Promise.all(names.map(async (name) => (faces[name] as () => Face | Promise<Face>)()));
  await Promise.all(held.map(async (face) => face.connect()).map((connected) => connected.catch(() => {})));
  console.log(`ready ${held.flatMap(({ methods }) => Object.keys(methods)).join(' ')}`);
  await once(process.stdin, 'data');
  process.stdin.destroy();
  await Promise.all(held.map((face, i) => callAll(names[i] as string, face)));
  await sleep(600);
  await Promise.all(held.map((face) => face.disconnect()));
  console.log('done');
}

if (require.main === module) void main();
