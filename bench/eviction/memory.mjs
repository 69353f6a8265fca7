// The memory of a process that caches values of one size, per entry. `node --expose-gc memory.mjs <kind> <bytes of a value> <port>`; Redis has the
// entries in the database of that number, under the keys of `nameOf`.
import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { redisStore } from '../../dist/esm/index.js';
import { bytesUsed, count, databases, nameOf, textOf } from './entries.mjs';

const [kind, size, port] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const location = `redis://127.0.0.1:${port}/${databases.indexOf(size)}`;
const options = {
  'near tier': { near: { max: count } },
  'near tier, freeze': { near: { max: count, freeze: true } },
  'no near tier': {},
};

function filledCache() {
  const cache = new LRUCache({ max: count });
  for (let i = 0; i < count; i++) cache.set(nameOf(i), textOf(size));
  for (let i = 0; i < count; i++) cache.get(nameOf(i));
  return { cache, figures: { entries: cache.size } };
}

/** Every key is read three times: the first read may come before tracking is on, the last is a hit. */
async function filledStore() {
  const store = redisStore({ location, ...options[kind] });
  await store.ready();
  for (let round = 0; round < 3; round++)
    for (let i = 0; i < count; i += 100) {
      const values = await store.mget(...Array.from({ length: 100 }, (_, j) => nameOf(i + j)));
      if (values.some((value) => value?.length !== size)) throw new Error(`expected values of ${size} characters`);
      // Pushes are read.
      await setImmediate();
    }
  const { near } = store.stats();
  return { store, figures: { entries: near?.entries ?? 0, counted: (near?.bytes ?? 0) / count } };
}

const fill = options[kind] ? filledStore : filledCache;
// Code is loaded and compiled, and the buffers of a connection exist.
let rehearsal = await fill();
await rehearsal.store?.disconnect();
rehearsal = undefined;
const before = await bytesUsed();
const { store, cache, figures } = await fill();
const bytes = ((await bytesUsed()) - before) / count;
if (kind !== 'no near tier' && figures.entries !== count) throw new Error(`${kind}: ${figures.entries} entries of ${count}`);
console.log(JSON.stringify({ bytes, ...figures }));
await store?.disconnect();
cache?.get('');
