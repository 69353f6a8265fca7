// What a get and a set cost with so many keys in Redis. Each size has a server of its own, so that each round measures all sizes, the store
// and a bare pipelined socket in turn.
import { redisStore } from '../../dist/esm/index.js';
import { BareSocket } from '../limit.mjs';
import { cost, firstKey, nameOf, random, value } from './blocks.mjs';
import { spreads } from './figures.mjs';
import { Server } from './server.mjs';

const ttl = 3_600_000;

export async function measure({ quick, log }) {
  const sizes = quick ? [1000, 30_000, 300_000] : [1000, 10_000, 100_000, 1_000_000, 3_000_000];
  const [rounds, calls] = quick ? [5, 4096] : [10, 16_384];
  const worlds = [];
  for (const size of sizes) {
    log(`filling ${size} keys`);
    worlds.push(await open(size));
  }
  for (let round = -2; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (const i of worlds.keys()) {
      const { server, works, size, found } = worlds[(i + round + 2) % worlds.length];
      const figures = {};
      for (const [work, contenders] of Object.entries(works)) {
        const names = Object.keys(contenders);
        if (round % 2) names.reverse();
        for (const name of names) figures[`${work}, ${name}`] = await cost(server, contenders[name], random(calls, size));
        const [ours, bare] = [figures[`${work}, store`], figures[`${work}, bare`]];
        figures[`${work}, ratio`] = { client: ours.client / bare.client, server: ours.server / bare.server, time: ours.time / bare.time };
      }
      if (round >= 0) found.push(figures);
    }
  }
  const figures = worlds.map(({ size, perKey, found }) => ({
    size,
    perKey,
    ...Object.fromEntries(Object.keys(found[0]).map((name) => [name, spreads(found.map((each) => each[name]))])),
  }));
  for (const { server, store, bare } of worlds) {
    bare.close();
    await store.disconnect();
    await server.stop();
  }
  return { rounds, calls, figures };
}

async function open(size) {
  const server = await Server.start();
  const store = redisStore({ location: server.location, prefix: 'scale', ttl });
  const bare = await BareSocket.open({ port: server.port });
  await store.set(nameOf(0), value);
  const stored = await server.redis.get(`scale:${nameOf(0)}`);
  const before = await server.memory();
  await server.fill('scale:key:', size, stored, firstKey);
  const perKey = ((await server.memory()) - before) / size;
  const text = JSON.stringify(value);
  const works = {
    get: { store: (i) => store.get(nameOf(i)), bare: async (i) => JSON.parse(await bare.send(['GET', `scale:${nameOf(i)}`])) },
    set: {
      store: (i) => store.set(nameOf(i), value),
      bare: (i) => bare.send(['SET', `scale:${nameOf(i)}`, JSON.stringify(value), 'PX', String(ttl)]),
    },
  };
  if ((await works.get.bare(size - 1)).note !== value.note || JSON.stringify(await works.get.store(size - 1)) !== text)
    throw new Error('the server is not filled with what the store reads');
  return { size, server, store, bare, works, perKey, found: [] };
}
