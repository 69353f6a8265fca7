// What connections cost the server and a process: one store for each, and a bare socket for each, with the same load over all of them. With
// more connections fewer commands share a packet. The servers differ only in how many connections they have.
import { redisStore } from '../../dist/esm/index.js';
import { BareSocket } from '../limit.mjs';
import { collect, cost, random, value } from './blocks.mjs';
import { spreads } from './figures.mjs';
import { Server } from './server.mjs';

const keys = 1000;

export async function measure({ quick, log }) {
  const sizes = quick ? [1, 10, 100] : [1, 10, 100, 1000];
  const [rounds, calls] = quick ? [3, 2048] : [7, 8192];
  const worlds = [];
  for (const size of sizes) {
    log(`opening ${size} connections`);
    worlds.push(await open(size));
  }
  for (let round = -2; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (const i of worlds.keys()) {
      const { server, works, found } = worlds[(i + round + 2) % worlds.length];
      const figures = {};
      for (const [work, call] of Object.entries(works)) figures[work] = await cost(server, call, random(calls, keys));
      if (round >= 0) found.push(figures);
    }
  }
  const figures = worlds.map(({ size, opened, found }) => ({
    size,
    ...opened,
    ...Object.fromEntries(Object.keys(found[0]).map((work) => [work, spreads(found.map((each) => each[work]))])),
  }));
  for (const { server, stores, sockets } of worlds) {
    for (const each of sockets) each.close();
    await Promise.all(stores.map((each) => each.disconnect()));
    await server.stop();
  }
  return { rounds, calls, figures };
}

async function open(size) {
  const server = await Server.start('--maxclients', '10000');
  await server.fill('scale:key:', keys, JSON.stringify(value));
  await server.settled();
  collect();
  const before = { server: await total(server), own: held(), at: performance.now() };
  const stores = Array.from({ length: size }, () => redisStore({ location: server.location, prefix: 'scale' }));
  await Promise.all(stores.map((each) => each.ready()));
  const milliseconds = performance.now() - before.at;
  await Promise.all(stores.map((each) => each.get('key:0')));
  await server.settled();
  collect();
  const opened = {
    milliseconds,
    perConnection: ((await total(server)) - before.server) / size,
    perStore: (held() - before.own) / size,
  };
  const sockets = await Promise.all(Array.from({ length: size }, () => BareSocket.open({ port: server.port })));
  let turn = 0;
  const next = (list) => list[turn++ % list.length];
  const get = (socket, i) => socket.send(['GET', `scale:key:${i}`]);
  const works = {
    'get, store': (i) => next(stores).get(`key:${i}`),
    'set, store': (i) => next(stores).set(`key:${i}`, value, 3_600_000),
    'get, bare': async (i) => JSON.parse(await get(next(sockets), i)),
    'set, bare': (i) => next(sockets).send(['SET', `scale:key:${i}`, JSON.stringify(value), 'PX', '3600000']),
    // What a miss of the near cache sends.
    'get and pttl, bare': async (i) => {
      const socket = next(sockets);
      const [text] = await Promise.all([get(socket, i), socket.send(['PTTL', `scale:key:${i}`])]);
      return JSON.parse(text);
    },
  };
  return { size, server, stores, sockets, works, opened, found: [] };
}

/** Bytes that this process holds. */
function held() {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Bytes of the server, its clients' buffers included. */
async function total(server) {
  return Number((await server.info('memory')).used_memory);
}
