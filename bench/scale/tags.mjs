// What tags cost while so many of them are in use: writing and reading an entry with one tag, and invalidating one. Each number of tags has a
// server of its own, so that each round measures all of them in turn, beside the same entries without a tag.
import { redisStore } from '../../dist/esm/index.js';
import { block, cost, random, value } from './blocks.mjs';
import { spreads } from './figures.mjs';
import { Server } from './server.mjs';

const ttl = 3_600_000;
/** Entries that are written and read. */
const entries = 10_000;
/** An entry has at most so many tags. */
const most = 1000;

export async function measure({ quick, log }) {
  const sizes = quick ? [1, 1000, 30_000] : [1, 1000, 10_000, 100_000, 1_000_000];
  const [rounds, calls] = quick ? [3, 2048] : [5, 8192];
  const worlds = [];
  for (const size of sizes) {
    log(`making ${size} tags`);
    worlds.push(await open(size));
  }
  for (let round = -2; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (const i of worlds.keys()) {
      const world = worlds[(i + round + 2) % worlds.length];
      const figures = {};
      // What is read was written in this round, so that all of it is found. Few tags are invalidated: the next round makes them anew.
      const list = random(calls, entries);
      for (const [work, call] of Object.entries(world.works))
        figures[work] = await cost(world.server, call, work === 'invalidate' ? list.slice(0, 512) : list);
      if (round >= 0) world.found.push(figures);
    }
  }
  const figures = worlds.map(({ size, perTag, found }) => ({
    size,
    perTag,
    ...Object.fromEntries(Object.keys(found[0]).map((work) => [work, spreads(found.map((each) => each[work]))])),
  }));
  for (const { server, store } of worlds) {
    await store.disconnect();
    await server.stop();
  }
  return { rounds, calls, entries, figures };
}

async function open(size) {
  const server = await Server.start();
  const store = redisStore({ location: server.location, prefix: 'scale', ttl, timeout: 10_000 });
  await store.ready();
  const before = await server.memory();
  // Entries with as many tags as they may have are the quickest way to have a million of them in use.
  const carriers = Array.from({ length: Math.ceil(size / most) }, (_, i) => i);
  for (const i of carriers)
    await store.set(`carrier:${i}`, 1, { tags: Array.from({ length: Math.min(most, size - i * most) }, (_, j) => tag(i * most + j)) });
  await store.delPattern('carrier:*');
  const perTag = ((await server.memory()) - before) / size;
  const works = {
    'set, no tag': (i) => store.set(`plain:${i}`, value),
    'set, a tag': (i) => store.set(`tagged:${i}`, value, { tags: [tag(Math.floor(Math.random() * size))] }),
    'get, no tag': (i) => store.get(`plain:${i}`),
    'get, a tag': (i) => store.get(`tagged:${i}`),
    invalidate: () => store.invalidateTags([tag(Math.floor(Math.random() * size))]),
  };
  const all = Array.from({ length: entries }, (_, i) => i);
  await block(works['set, no tag'], all);
  await block(works['set, a tag'], all);
  return { size, server, store, works, perTag, found: [] };
}

const tag = (i) => `tag:${i}`;
