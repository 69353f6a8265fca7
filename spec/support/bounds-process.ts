// Writes hostile entries, 100 at a time, and reads them alone and by `mget`: `node bounds-process.js LOCATION URL PREFIX COUNT SEED`. Prints
// the longest hold of the event loop in milliseconds, and the largest growth of memory in MiB.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import * as msgpackr from 'msgpackr';
import {
  jsonSerializer,
  keyvSerializer,
  msgpackSerializer,
  type RedisStore,
  redisStore,
  type StoreOptions,
  v8Serializer,
} from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { hostileEntries } from './hostile-entries.js';
import { rawClient } from './wire.js';

const settings: Record<string, StoreOptions> = {
  default: {},
  json: { serializer: jsonSerializer, compression: 'gzip' },
  keyv: { serializer: keyvSerializer, compression: 'brotli' },
  v8: { serializer: v8Serializer },
  msgpack: { serializer: msgpackSerializer(msgpackr), readable: [v8Serializer] },
  near: { near: { freeze: true, maxBytes: 2 ** 20 } },
};

/** The size of this process in bytes, without the space for new objects, which fills whatever a process does. */
function size(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return process.memoryUsage.rss() - (young?.physical_space_size ?? 0);
}

/** The longest time that this process ran without a turn of the event loop. A process that waits for a processor uses none. */
class HoldMeter {
  longest = 0;
  /** The largest size of the process, in bytes. */
  peak = 0;
  #ended = false;

  async run(): Promise<void> {
    let last = process.cpuUsage();
    let at = performance.now();
    while (!this.#ended) {
      await nextTurn();
      const used = process.cpuUsage(last);
      const held = Math.min(performance.now() - at, (used.user + used.system) / 1000);
      this.longest = Math.max(this.longest, held);
      this.peak = Math.max(this.peak, size());
      last = process.cpuUsage();
      at = performance.now();
    }
  }

  end(): void {
    this.#ended = true;
  }
}

/** One after the other, of ten. */
async function eachOf(keys: readonly string[], read: (key: string) => Promise<unknown>): Promise<void> {
  for (const key of keys.filter((_, i) => i % 10 === 3)) await read(key);
}

async function main([location = '', url = '', prefix = '', count = '100', seed = '1']: readonly string[]): Promise<void> {
  const redis = await rawClient({ url });
  const stores = Object.entries(settings).map(
    ([name, options]) => [name, redisStore({ location, prefix, timeout: 20_000, ...options })] as const,
  );
  const keyv = new KeyvRedisStore({ location, namespace: prefix, timeout: 20_000 });
  const entries = hostileEntries(Number(count), Number(seed));
  const reads: [string, (keys: string[]) => Promise<unknown>][] = [
    ...stores.flatMap(([name, store]: readonly [string, RedisStore]): typeof reads => [
      [`${name} get`, (keys) => eachOf(keys, (key) => store.get(key))],
      [`${name} mget`, (keys) => store.mget(...keys)],
    ]),
    ['adapter get', (keys) => eachOf(keys, (key) => keyv.get(key))],
    ['adapter getMany', (keys) => keyv.getMany(keys)],
  ];
  let worst = { hold: 0, growth: 0, of: '', largest: '' };
  // The first page is read twice, and counted once this process has grown to its usual size.
  for (const first of [-1, ...entries.keys()].filter((i) => i === -1 || i % 100 === 0)) {
    const page = entries.slice(Math.max(0, first), Math.max(0, first) + 100).map((make) => make());
    const keys = page.map((_, i) => String(i));
    for (const [i, entry] of page.entries()) {
      await redis.set(`${prefix}:${i}`, entry);
      await redis.set(`${prefix}::${i}`, entry);
    }
    for (const [name, read] of reads) {
      global.gc?.();
      const before = size();
      const meter = new HoldMeter();
      const measured = meter.run();
      await read(keys);
      meter.end();
      await measured;
      const growth = (meter.peak - before) >> 20;
      if (first === -1) continue;
      if (meter.longest > worst.hold) worst = { ...worst, hold: meter.longest, of: `${name} ${first}` };
      if (growth > worst.growth) worst = { ...worst, growth, largest: `${name} ${first}` };
      if (process.env['REDIS_TIER_BOUNDS_LOG']) console.error(name, first, Math.round(meter.longest), growth);
    }
    // Held until here: what is read must not fill the memory that the page had.
    page.length = 0;
  }
  for (const [, store] of stores) await store.disconnect();
  await keyv.disconnect();
  redis.destroy();
  console.log(JSON.stringify(worst));
}

if (require.main === module) void main(process.argv.slice(2));
