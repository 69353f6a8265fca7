import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { jsonSerializer, type RedisStore, type StoreOptions, v8Serializer } from '../src/index.js';
import { cacheOf } from './support/internals.js';
import { openStore } from './support/open.js';
import { random } from './support/random.js';
import { secretKey } from './support/settings.js';
import { isWholeMatrix } from './support/whole.js';

const minute = 60_000;
const keyFunction = (key: string): string => `own:${key}`;
const parseKey = (redisKey: string): string | undefined => (redisKey.startsWith('own:') ? redisKey.slice(4) : undefined);

/** The option `tags`, which knows nothing but the key. */
const byKey = (key: string): string[] => (key.length % 2 === 0 ? ['even'] : []);
const secret = { encryption: { keys: [{ id: 'a', key: secretKey('a') }] } };
const gzip = { compression: { algorithm: 'gzip', threshold: 20 } } as const;

const configurations: Record<string, StoreOptions> = {
  'as it comes': {},
  tags: { tags: true },
  'tags by a function': { tags: byKey },
  lazyClear: { lazyClear: true },
  'lazyClear and tags': { lazyClear: true, tags: byKey },
  'the json serializer': { serializer: jsonSerializer },
  'the v8 serializer': { serializer: v8Serializer },
  compression: gzip,
  'compression, v8 and tags': { ...gzip, serializer: v8Serializer, tags: true },
  encryption: secret,
  'encryption and tags': { ...secret, tags: true },
  version: { version: 3 },
  'version and tags': { version: 'v', tags: true },
  hashLongKeys: { hashLongKeys: true, tags: true },
  keyFunction: { keyFunction, parseKey, keyPattern: 'own:*' },
  'a default ttl and jitter': { ttl: minute, ttlJitter: 0 },
  'maxTtl and tags': { maxTtl: 30 * minute, tags: true },
  'no batches': { batch: false, tags: true },
  'a near cache': { near: {} },
  'a near cache that freezes, with lazyClear and tags': { near: { freeze: true }, lazyClear: true, tags: true },
};

const keys = ['a', 'b', 'c', 'né e', 'x:y*', 'list[1]', '{slot}a', '\ud800', `${'long'.repeat(300)}`, ''];
const values: readonly unknown[] = [
  null,
  0,
  7,
  -3,
  1.5,
  'text',
  ':colon',
  '',
  true,
  [1, 'two'],
  { a: { b: 1 } },
  Buffer.from([0xc1, 0]),
  'x'.repeat(99),
];
const ttls = [undefined, 0, null, 10 * minute, 60 * minute];
const tagNames = ['t', 'u', 'né'];
const patterns = ['*', 'a*', '?', 'x:y[*]', 'none', '*:*'];

type Step = readonly [title: string, run: (store: RedisStore) => Promise<unknown>];

/** The next step, the same whichever store runs it. */
function stepsOf(seed: number, tagged: boolean, lazy: boolean): () => Step {
  const draw = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;
  const some = <T>(list: readonly T[]): T[] => list.filter(() => draw() < 0.3);
  const options = () => (tagged && draw() < 0.5 ? { ttl: pick(ttls), tags: some(tagNames) } : pick(ttls));
  const steps: (() => Step)[] = [
    () =>
      ((key, value, how) => [`set ${key}`, (store: RedisStore) => cacheOf(store).writer.set(key, value, how)] as const)(
        pick(keys),
        pick(values),
        options(),
      ),
    () =>
      ((key, value, how) => [`set ${key}`, (store: RedisStore) => cacheOf(store).writer.set(key, value, how)] as const)(
        pick(keys),
        pick(values),
        options(),
      ),
    () => ((key) => [`get ${key}`, (store: RedisStore) => store.get(key)] as const)(pick(keys)),
    () => ((list) => [`mget ${list}`, (store: RedisStore) => store.mget(...list)] as const)(some(keys)),
    () =>
      ((list, value, how) =>
        [
          `mset ${list}`,
          (store: RedisStore) =>
            store.mset(
              list.map((key) => [key, value] as const),
              how,
            ),
        ] as const)(some(keys), pick(values), options()),
    () =>
      ((key, value, how) => [`add ${key}`, (store: RedisStore) => store.add(key, value, how)] as const)(
        pick(keys),
        pick(values),
        options(),
      ),
    () =>
      ((key, by, more) => [`incr ${key}`, (store: RedisStore) => store.incr(key, by, more)] as const)(
        pick(keys),
        pick([1, -5, 2 ** 53 - 1]),
        pick([{}, { initial: 0 }, { initial: 3, ttl: minute }]),
      ),
    () => ((key, ttl) => [`touch ${key}`, (store: RedisStore) => store.touch(key, ttl)] as const)(pick(keys), pick(ttls)),
    () => ((key) => [`persist ${key}`, (store: RedisStore) => store.persist(key)] as const)(pick(keys)),
    () => ((key) => [`ttl ${key}`, async (store: RedisStore) => rounded(await store.ttl(key))] as const)(pick(keys)),
    () => ((key) => [`del ${key}`, (store: RedisStore) => cacheOf(store).writer.unlinkCounted([key])] as const)(pick(keys)),
    () => ((list) => [`mdel ${list}`, (store: RedisStore) => store.mdel(...list)] as const)(some(keys)),
    () => ((key) => [`has ${key}`, (store: RedisStore) => store.has(key)] as const)(pick(keys)),
    () => ((list) => [`hasMany ${list}`, (store: RedisStore) => cacheOf(store).reader.hasMany(list)] as const)(some(keys)),
    () =>
      ((pattern) => [`keys ${pattern}`, async (store: RedisStore) => (await store.keys(pattern)).sort()] as const)(
        pick([undefined, ...patterns]),
      ),
    () => ((key) => [`getAndDelete ${key}`, (store: RedisStore) => store.getAndDelete(key)] as const)(pick(keys)),
    () => {
      const [key, value, staleFor] = [pick(keys), pick(values), pick([0, 0, 5 * minute])];
      const more = tagged && draw() < 0.5 ? { tags: some(tagNames) } : {};
      const ttl = pick(ttls);
      return [`getOrSet ${key}`, (store) => store.getOrSet(key, () => value, { ttl, staleFor, ...more })];
    },
    ...(tagged
      ? [() => ((tags) => [`invalidateTags ${tags}`, (store: RedisStore) => store.invalidateTags(tags)] as const)(some(tagNames))]
      : []),
    ...(tagged
      ? [() => ['invalidateTags even', (store: RedisStore) => store.with({ timeout: 5000 }).invalidateTags(['even'])] as const]
      : []),
  ];
  const rare: (() => Step)[] = [
    () => ((pattern) => [`delPattern ${pattern}`, (store: RedisStore) => store.delPattern(pattern)] as const)(pick(patterns)),
    () => ['clear', (store) => store.clear()],
    ...(lazy
      ? [
          () =>
            [
              'clear lazily',
              async (store: RedisStore) => {
                await store.clear({ lazy: true });
                // What is deleted in the background is not there or there, as it comes.
                await cacheOf(store).context.background.idle();
              },
            ] as const,
        ]
      : []),
  ];
  return () => (draw() < 0.04 ? pick(rare) : pick(steps))();
}

/** Time passes between the two. */
function rounded(ttl: number): number {
  return ttl < 0 ? ttl : Math.round(ttl / minute);
}

/** The answer, or the code of the error. */
async function answer(store: RedisStore, [, run]: Step): Promise<unknown> {
  try {
    return await run(store);
  } catch (error) {
    return { rejects: (error as { code?: string }).code ?? String(error) };
  }
}

describe('memory: and Redis answer alike', () => {
  for (const [i, [title, options]] of Object.entries(configurations).entries()) {
    for (const seed of isWholeMatrix ? [i + 1, i + 1001] : [i + 1]) {
      it(`${title}, at random with seed ${seed}`, async () => {
        const prefix = options.keyFunction ? {} : { prefix: randomUUID() };
        const { near: _, ...local } = options;
        const inMemory = openStore({ ...local, ...prefix, location: 'memory:' });
        const onRedis = openStore({ ...options, ...prefix });
        if (options.keyFunction) await onRedis.clear();
        const next = stepsOf(seed, !options.keyFunction, options.lazyClear === true);
        const done: string[] = [];
        for (let n = 0; n < 400; n++) {
          const step = next();
          done.push(step[0]);
          const [expected, actual] = [await answer(inMemory, step), await answer(onRedis, step)];
          expect(actual, `step ${n} after\n${done.slice(-12).join('\n')}\n`).to.deep.equal(expected);
        }
        expect(onRedis.errors.map(({ code, operation }) => `${code} ${operation}`)).to.deep.equal(
          inMemory.errors.map(({ code, operation }) => `${code} ${operation}`),
        );
      });
    }
  }
});
