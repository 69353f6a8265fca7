import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../../src/index.js';
import { openStore } from './open.js';
import { random } from './random.js';
import type { RedisServer } from './redis.js';
import { until } from './until.js';
import { commandStats, type RawClient, rawClient } from './wire.js';

const seed = Number(process.env['NEAR_SEED'] ?? Date.now() % 1_000_000);
export const names = Array.from({ length: 60 }, (_, i) => `k${i}`);

/** A store with a near tier that is up, and another one without. */
export async function openBoth(where: StoreOptions, servers: readonly RedisServer[]): Promise<[near: RedisStore, plain: RedisStore]> {
  const common = { ...where, prefix: 'p', timeout: 1000 };
  const near = openStore({ ...common, near: {} });
  await untilKept(near, servers);
  return [near, openStore(common)];
}

const clientsOf = (servers: readonly RedisServer[]): Promise<RawClient[]> =>
  Promise.all(servers.filter(({ ended }) => !ended).map((server) => rawClient(server)));

/** How many reads the work sends to the servers. */
export async function reads(servers: readonly RedisServer[], work: () => Promise<unknown>): Promise<number> {
  const clients = await clientsOf(servers);
  const sent = await readsBy(clients, work);
  for (const client of clients) client.destroy();
  return sent;
}

async function readsBy(clients: readonly RawClient[], work: () => Promise<unknown>): Promise<number> {
  const count = async (): Promise<number> => {
    const stats = await Promise.all(clients.map(commandStats));
    return stats.reduce((sum, { get = 0, mget = 0, pttl = 0, exists = 0 }) => sum + get + mget + pttl + exists, 0);
  };
  const before = await count();
  await work();
  return (await count()) - before;
}

/** The warnings of the process from now on. */
export function warnings(): { readonly texts: string[]; stop(): void } {
  const texts: string[] = [];
  const onWarning = (warning: Error): number => texts.push(`${(warning as NodeJS.ErrnoException).code} ${warning.message}`);
  process.on('warning', onWarning);
  return { texts, stop: () => process.off('warning', onWarning) };
}

export async function untilKept(store: RedisStore, servers: readonly RedisServer[]): Promise<void> {
  const clients = await clientsOf(servers);
  try {
    await until(async () => {
      await store.mget(...names);
      return (await readsBy(clients, () => store.mget(...names))) === 0;
    });
  } finally {
    for (const client of clients) client.destroy();
  }
}

/** Writes, deletes and creates at random through `plain`, while `near` reads all the time. */
export async function busy(near: RedisStore, plain: RedisStore, work: () => Promise<unknown>): Promise<void> {
  const next = random(seed);
  let over = false;
  const loop = async (step: () => Promise<unknown>): Promise<void> => {
    while (!over) {
      await step().catch(() => {});
      await sleep(1);
    }
  };
  const pick = (): string => names[Math.floor(next() * names.length)] as string;
  let written = 0;
  const write = (): Promise<unknown> => (next() < 0.5 ? plain.set(pick(), written++) : plain.del(pick()));
  const loops = [loop(write), loop(write), loop(() => near.get(pick())), loop(() => near.mget(...names)), loop(() => near.has(pick()))];
  await work();
  over = true;
  await Promise.all(loops);
}

export async function untilEqual(near: RedisStore, plain: RedisStore): Promise<void> {
  // What was pushed has come, and what was said of the nodes has gone round.
  await sleep(2500);
  const truth = await plain.mget(...names);
  expect(truth.some((value) => value !== undefined) && truth.includes(undefined)).to.equal(true);
  for (let i = 0; i < 3; i++) expect(await near.mget(...names), `seed ${seed}`).to.deep.equal(truth);
}

/** Reads what others have just written, as often as it likes, and has been told of in one warning that it is so. */
export async function isOff(options: StoreOptions, others: StoreOptions, why: RegExp): Promise<void> {
  const warned = warnings();
  try {
    const [near, plain] = [openStore({ ...options, near: {}, prefix: 'off' }), openStore({ ...others, prefix: 'off' })];
    // What replicas answer lags behind.
    const shows = async (read: () => Promise<unknown>, value: unknown): Promise<void> => {
      if (options.readFrom === 'replica') await until(async () => (await read()) === value);
      else expect(await read()).to.equal(value);
    };
    for (let i = 0; i < 10; i++) {
      for (const name of ['a', 'b', 'c']) {
        await plain.set(name, i);
        await shows(() => near.get(name), i);
        await shows(async () => (await near.mget(name))[0], i);
        await plain.del(name);
        await shows(() => near.has(name), false);
      }
    }
    await sleep(10);
    expect(warned.texts).to.have.length(1);
    expect(warned.texts[0])
      .to.match(/^REDIS_TIER_NEAR the near cache is off, every read goes to Redis: /)
      .and.match(why);
    expect(near.errors).to.deep.equal([]);
    await near.disconnect();
  } finally {
    warned.stop();
  }
}
