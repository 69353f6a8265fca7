// What a monitoring tool sees: a process of its own, because OpenTelemetry's instrumentation has to be there before node-redis is.
// argv[2]: options of places, as JSON. Prints what was seen of marked values and of tokens, as JSON.
import type { StoreOptions } from '../../src/index.js';
import { Apm, shown as inspected } from './apm.js';

const mark = 'marked-value';
const apm = new Apm([mark]);

async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of iterable);
}

/** Several of these processes run at the same time, and clear what is theirs. */
const own = `apm${process.pid}`;

async function driveStore(options: StoreOptions): Promise<void> {
  const { redisStore, v8Serializer } = require('../../src/index.js') as typeof import('../../src/index.js');
  const shown: string[] = [];
  const store = redisStore({ prefix: own, tags: true, timeout: 10_000, ...options });
  store.on('error', (error) => shown.push(inspected(error)));
  await store.set('a:1', mark);
  await store.set('a:2', { deep: mark }, { ttl: 60_000, tags: ['t'] });
  await store.mset({ 'a:3': mark, 'a:4': [mark] }, 60_000);
  await store.add('a:5', mark, { tags: ['t', 'u'] });
  await store.get('a:2');
  await store.mget('a:1', 'a:3');
  await store.has('a:1');
  await store.ttl('a:2');
  await store.touch('a:2', 90_000);
  await store.persist('a:2');
  await store.invalidateTags(['t']);
  await store.add('a:5', mark);
  await store.getOrSet('l:1', () => mark);
  await store.getOrSet('l:2', () => ({ mark }), { tags: ['t'], ttl: 1, staleFor: 60_000 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await store.getOrSet('l:2', () => ({ mark }), { tags: ['t'], ttl: 60_000, staleFor: 60_000 });
  await store.getOrSet('l:3', () => undefined);
  await store.set('n:1', 5);
  await store.incr('n:1');
  await store.decr('n:2', 1, { initial: 7 });
  await store.incr('a:1').catch(() => {});
  const lock = await store.lock('job:1');
  shown.push(inspected([store, lock]), JSON.stringify(lock));
  await lock.renew();
  await lock.release();
  await store.withLock('job:2', () => 1);
  const other = redisStore({ prefix: own, tags: true, timeout: 10_000, ...options, serializer: v8Serializer });
  await drain(other.reencode());
  await other.disconnect();
  await store.getAndTouch('a:3', 60_000);
  await store.set('a:3', mark, { keepTtl: true });
  await store.expire('a:2');
  await store.getAndDelete('a:3');
  await drain(store.iterate('a:*'));
  await store.del('a:1');
  await store.mdel('a:4', 'a:5');
  await store.delPattern('n:*');
  await store.sweep();
  await store.clear();
  await store.disconnect();
  apm.told('shown', shown.join('\n'));
}

async function driveKeyv(options: StoreOptions): Promise<void> {
  const { createKeyv, KeyvRedisStore } = require('../../src/keyv.js') as typeof import('../../src/keyv.js');
  const keyv = createKeyv({ namespace: `${own}k`, lazyClear: true, timeout: 10_000, ...options });
  await keyv.set('a:1', mark, 60_000);
  await keyv.get('a:1');
  await keyv.has('a:1');
  await keyv.delete('a:1');
  await keyv.disconnect();
  const adapter = new KeyvRedisStore({ namespace: `${own}a`, lazyClear: true, timeout: 10_000, ...options });
  await adapter.setMany([{ key: 'a:1', value: mark }]);
  await adapter.getMany(['a:1']);
  await drain(adapter.iterator());
  await drain(adapter.reencode());
  await adapter.clear({ lazy: true });
  await adapter.disconnect();
}

async function main(): Promise<void> {
  for (const options of JSON.parse(process.argv[2] as string) as StoreOptions[]) {
    await driveStore(options);
    await driveKeyv(options);
  }
  const { counts, leaks, statement } = apm;
  process.stdout.write(JSON.stringify({ counts, leaks: leaks.slice(0, 5), statement }));
  process.exit();
}

void main();
