// One run of bench/scale/scans.mjs: microseconds per key of each operation, and how many MiB the process grows meanwhile.
import { redisStore, v8Serializer } from '../../dist/esm/index.js';
import { BareSocket } from '../limit.mjs';
import { collect, value } from './blocks.mjs';

const [port, size] = process.argv.slice(2).map(Number);
/** Entries that are rewritten: to rewrite three million takes minutes. */
const rewritten = Math.min(size, 30_000);

process.on('disconnect', () => process.exit());

const bare = await BareSocket.open({ port });
const open = (prefix) => {
  const options = { location: `127.0.0.1:${port}`, prefix, timeout: 60_000 };
  return { store: redisStore(options), rewriter: redisStore({ ...options, serializer: v8Serializer }) };
};
const { store, rewriter } = open('scale');
await warmUp(open('warm'));

/** What is measured is a process that has run for a while. */
async function warmUp(warm) {
  const keys = 5000;
  const all = Array.from({ length: keys }, (_, i) => [`key:${i}`, value]);
  for (let round = 0; round < 3; round++) {
    await warm.store.mset(all);
    await warm.store.keys();
    for await (const _ of warm.rewriter.reencode());
    await warm.store.delPattern('key:*7');
    await warm.store.clear();
  }
  await scan();
}

async function scan() {
  let [cursor, keys] = ['0', 0];
  do {
    const [next, page] = await bare.send(['SCAN', cursor, 'MATCH', 'scale:*', 'COUNT', '1000']);
    [cursor, keys] = [next, keys + page.length];
  } while (cursor !== '0');
  expect(keys, size);
}

async function reencode() {
  let found = 0;
  for await (const progress of rewriter.reencode()) {
    found = progress.rewritten;
    if (found >= rewritten) break;
  }
  if (found < rewritten) throw new Error(`rewrote ${found} entries of ${rewritten}`);
}

function expect(found, expected) {
  if (found !== expected) throw new Error(`found ${found} keys of ${expected}`);
}

async function cost(work, keys) {
  collect();
  const before = process.memoryUsage().rss;
  let peak = before;
  const sample = () => {
    peak = Math.max(peak, process.memoryUsage().rss);
  };
  const timer = setInterval(sample, 5);
  const start = performance.now();
  await work();
  const milliseconds = performance.now() - start;
  clearInterval(timer);
  sample();
  return { perKey: (milliseconds * 1000) / keys, milliseconds, growth: (peak - before) / (1 << 20) };
}

const figures = { scan: await cost(scan, size) };
figures.keys = await cost(async () => expect((await store.keys()).length, size), size);
figures.reencode = await cost(reencode, rewritten);
figures.delPattern = await cost(async () => expect(await store.delPattern('key:*7'), size / 10), size);
figures.clear = await cost(() => store.clear(), size * 0.9);
process.send(figures, () => process.exit());
