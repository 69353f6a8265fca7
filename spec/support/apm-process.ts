// What a monitoring tool sees: a process of its own, because OpenTelemetry's instrumentation has to be there before node-redis is.
// argv[2]: options of places, as JSON. Prints what was seen of marked values and of random ids, as JSON.
import * as crypto from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { RedisInstrumentation } from '@opentelemetry/instrumentation-redis';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { StoreOptions } from '../../src/index.js';

const mark = 'marked-value';
const ids: string[] = [];
const { randomBytes } = crypto;
// Every token and every generation begins here.
Object.assign(require('node:crypto'), {
  randomBytes(size: number) {
    const bytes = randomBytes(size);
    ids.push(bytes.toString('base64url'));
    return bytes;
  },
});

const exporter = new InMemorySpanExporter();
const instrumentation = new RedisInstrumentation();
instrumentation.setTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));

const told: { name: string; text: string }[] = [];
const { CHANNELS } = require('@redis/client/dist/lib/client/tracing.js') as { CHANNELS: Record<string, string> };
for (const name of [...Object.values(CHANNELS), 'redis-tier:command', 'redis-tier:load']) {
  const phases = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((phase) => `tracing:${name}:${phase}`);
  for (const each of [name, ...phases]) {
    // Bytes stay bytes here: node-redis adds the reply to its context, and that of a GET is the stored entry.
    channel(each).subscribe((message) => {
      told.push({ name, text: `${inspect(message, { depth: 8, showHidden: true, maxStringLength: 10_000 })} ${shownAsJson(message)}` });
    });
  }
}

function shownAsJson(message: unknown): string {
  try {
    return JSON.stringify(message) ?? '';
  } catch {
    return '';
  }
}

async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of iterable);
}

async function driveStore(options: StoreOptions): Promise<void> {
  const { redisStore, v8Serializer } = require('../../src/index.ts') as typeof import('../../src/index.js');
  const shown: string[] = [];
  const store = redisStore({ prefix: 'apm', tags: true, timeout: 10_000, ...options });
  store.on('error', (error) => shown.push(inspect(error, { depth: 10, showHidden: true })));
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
  shown.push(inspect([store, lock], { depth: 10, showHidden: true }), JSON.stringify(lock));
  await lock.renew();
  await lock.release();
  await store.withLock('job:2', () => 1);
  const other = redisStore({ prefix: 'apm', tags: true, timeout: 10_000, ...options, serializer: v8Serializer });
  await drain(other.reencode());
  await other.disconnect();
  await store.getAndDelete('a:3');
  await drain(store.iterate('a:*'));
  await store.del('a:1');
  await store.mdel('a:4', 'a:5');
  await store.delPattern('n:*');
  await store.sweep();
  await store.clear();
  await store.disconnect();
  told.push({ name: 'shown', text: shown.join('\n') });
}

async function driveKeyv(options: StoreOptions): Promise<void> {
  const { createKeyv, KeyvRedisStore } = require('../../src/keyv.ts') as typeof import('../../src/keyv.js');
  const keyv = createKeyv({ namespace: 'apmk', lazyClear: true, timeout: 10_000, ...options });
  await keyv.set('a:1', mark, 60_000);
  await keyv.get('a:1');
  await keyv.has('a:1');
  await keyv.delete('a:1');
  await keyv.disconnect();
  const adapter = new KeyvRedisStore({ namespace: 'apma', lazyClear: true, timeout: 10_000, ...options });
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
  for (const { name, attributes } of exporter.getFinishedSpans()) {
    told.push({ name: 'opentelemetry', text: `${name} ${inspect(attributes, { maxStringLength: 10_000 })}` });
  }
  const secrets = [mark, ...ids];
  const leaks = told
    .filter(({ text }) => secrets.some((secret) => text.includes(secret)))
    .map(({ name, text }) => `${name}: ${text.slice(0, 1000)}`);
  const of = (name: string): number => told.filter((one) => one.name === name).length;
  const statements = told.filter(({ name, text }) => name === 'opentelemetry' && text.includes('EVALSHA'));
  const counts = {
    commands: of('node-redis:command'),
    own: of('redis-tier:command'),
    spans: of('opentelemetry'),
    scripts: statements.length,
  };
  process.stdout.write(
    JSON.stringify({ counts, ids: ids.length, leaks: leaks.slice(0, 5), leaking: leaks.length, statement: statements[0]?.text }),
  );
  process.exit();
}

void main();
