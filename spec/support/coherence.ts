import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { compiled } from './compiled.js';
import { type Bound, examine } from './near-examine.js';
import { type History, Monitors } from './near-history.js';
import type { Observation, Orders, Quiet } from './near-process.js';
import { type Site, sites } from './near-site.js';
import { openStore } from './open.js';
import { random } from './random.js';
import { wallClock as now } from './wall-clock.js';

/** `NEAR_SEED=7` repeats a run. */
const seed = Number(process.env['NEAR_SEED'] ?? Date.now() % 1_000_000);
const processes = 8;
const keys = 200;
const timeout = 500;

/**
 * How old an answer may be while all is well, and how late it may be noticed that a connection was closed: what a push or that takes
 * from server to process where ten processes share two processors. A process that has not looked at the network for longer has that on top.
 */
const inFlight = 300;
/** How old it may be whatever happens: what was confirmed is believed for so long, `timeout` twice where that is below a second. */
const silent = 2 * timeout;
const maxStaleness = 800;
/** Four of the eight, with a connection each of another kind. */
const mayBeStale = (number: number): boolean => number >= 4;
/** Two of them, one of which may serve what is stale, lose the network for a while. */
const isProxied = (number: number): boolean => number === 2 || number === 6;

/** What was done to the processes, and when. */
interface Faults {
  readonly cuts: { readonly number: number; readonly time: number }[];
  silence: { readonly from: number; readonly to: number } | undefined;
  /** The longest that a PING of this process took: on a busy machine a push takes as long. */
  slowest: number;
}

/**
 * Near caches of eight processes that read and write at random for so long, on one server and on a cluster, while connections are cut,
 * the network goes silent and processes stand still: no read is older than it may be.
 */
export function coherence(seconds: number): void {
  for (const [title, start] of Object.entries(sites)) suite(title, start, seconds);
}

function suite(title: string, start: () => Promise<Site>, seconds: number): void {
  describe(`coherence of near caches in many processes: ${title}`, function () {
    this.timeout((seconds + 60) * 1000);
    let site: Site;
    before(async () => {
      site = await start();
    });
    after(() => site.stop());

    it('no read is older than what its process has seen, nor than its bound; when it is quiet all agree with Redis', async () => {
      console.log(`      seed ${seed}, ${seconds} s`);
      const monitors = await Monitors.start(site.servers.map(({ port }) => port));
      const children = await Promise.all(Array.from({ length: processes }, launch));
      const tracking = Promise.all(children.map((child) => answer(child)));
      for (const [number, child] of children.entries()) child.send(ordersOf(number, site, seconds));
      await tracking;
      const logs = Promise.all(children.map((child) => answer<{ log: Observation[]; hits: number }>(child)));
      for (const child of children) child.send('go');
      const faults = await disturb(site, seconds);
      const observed = await logs;
      // What has a time to live ends within 200 ms; connections are back; what was pushed has come.
      await sleep(2000);
      const reads = Promise.all(children.map((child) => answer<{ quiet: Quiet }>(child)));
      for (const child of children) child.send('quiet');
      const quiet = await reads;
      const truth = await openStore({ ...site.direct, prefix: 'c' }).mget(...Array.from({ length: keys }, (_, i) => `k${i}`));
      await sleep(100);
      monitors.stop();

      const history = monitors.history(keys);
      const found = observed.map(({ log }, number) => examine(log, history, number, boundOf(number, faults)));
      const total = found.reduce((sum, { reads }) => sum + reads, 0);
      const hits = observed.reduce((sum, each) => sum + each.hits, 0);
      const oldest = found.reduce<Record<string, number>>((all, each) => {
        for (const [kind, age] of Object.entries(each.oldest)) all[kind] = Math.max(all[kind] ?? 0, Math.round(age));
        return all;
      }, {});
      console.log(
        `      ${total} reads, ${hits} of them hits of near caches, ${history.reads} asked Redis; ${history.writes} writes; ${faults.cuts.length} connections cut; oldest read in ms:`,
        oldest,
      );
      expect(found.flatMap(({ problems }) => problems).slice(0, 10)).to.deep.equal([]);

      const expected = (truth as (string | undefined)[]).map((value) => value ?? null);
      expect(expected, 'the servers, as they were heard').to.deep.equal(atTheEnd(history));
      for (const [number, { quiet: each }] of quiet.entries()) {
        for (const kind of ['get', 'again', 'mget'] as const) expect(each[kind], `process ${number}, ${kind}`).to.deep.equal(expected);
        expect(each.has, `process ${number}, has`).to.deep.equal(
          expected.map((value, i) => (each.has[i] === null ? null : value !== null)),
        );
      }
      // None of this says anything where nothing is kept, written or cut.
      // A busy machine reads less in the time.
      expect(hits, 'hits of near caches').to.be.above(Math.min(40 * seconds, total / 200));
      expect(history.writes, 'writes').to.be.above(50 * seconds);
      expect(faults.cuts.length, 'connections cut').to.be.above(seconds / 2);
    });
  });
}

function ordersOf(number: number, { direct, proxied }: Site, seconds: number): Orders {
  const near = { freeze: number % 2 === 0, maxStaleness: mayBeStale(number) ? maxStaleness : 0, ...(number === 3 ? { max: 50 } : {}) };
  const options: StoreOptions = {
    ...(isProxied(number) ? proxied : direct),
    // By which the server's list of clients shows whose connection is cut.
    name: `near-${number}`,
    near,
    timeout,
    ...(number === 5 ? { batch: false as const } : {}),
    ...(number % 4 === 3 ? { tags: true } : {}),
  };
  return { number, seed: seed + number, keys, milliseconds: seconds * 1000, options, pooled: number % 4 === 1 && !('cluster' in direct) };
}

/** For as long as the processes run: flushes, cut connections, and a network that goes silent. */
async function disturb({ servers, proxy }: Site, seconds: number): Promise<Faults> {
  const next = random(seed);
  const faults: Faults = { cuts: [], silence: undefined, slowest: 0 };
  const end = performance.now() + seconds * 1000;
  const pinging = (async () => {
    while (performance.now() < end) {
      const at = performance.now();
      await servers[0]?.redis.ping();
      faults.slowest = Math.max(faults.slowest, performance.now() - at);
      await sleep(20);
    }
  })();
  const silence = (async () => {
    await sleep(0.3 * seconds * 1000);
    const from = now();
    proxy.silence();
    await sleep(0.5 * seconds * 1000);
    proxy.resume();
    faults.silence = { from, to: now() };
  })();
  while (performance.now() < end) {
    await sleep(100 + next() * 300);
    const lists = await Promise.all(
      servers.map(async ({ redis }) => ({ redis, list: String(await redis.sendCommand(['CLIENT', 'LIST'])) })),
    );
    const tracked = lists.flatMap(({ redis, list }) =>
      [...list.matchAll(/^id=(\d+) .* name=near-(\d+) .* flags=\S*t\S* /gm)].map(([, id, number]) => ({
        redis,
        id,
        number: Number(number),
      })),
    );
    // On a cluster each empties the whole tier of its process.
    for (const _ of servers.length > 1 ? [1] : [1, 2]) {
      const [victim] = tracked.splice(Math.floor(next() * tracked.length), 1);
      if (!victim) continue;
      const time = now();
      if (Number(await victim.redis.sendCommand(['CLIENT', 'KILL', 'ID', victim.id as string])) > 0) {
        faults.cuts.push({ number: victim.number, time });
      }
    }
    if (next() < 0.3) await Promise.all(servers.map(({ redis }) => redis.flushDb()));
  }
  await Promise.all([silence, pinging]);
  return faults;
}

/** The bound of each read of a process, by what was done to it before. */
function boundOf(number: number, { cuts, silence, slowest }: Faults): Bound {
  const own = cuts.filter((cut) => cut.number === number).map(({ time }) => time);
  return ({ time, lag }) => {
    const delay = inFlight + slowest + lag;
    if (isProxied(number) && silence && time >= silence.from && time <= silence.from + silent + delay) {
      return { kind: 'the network is silent', most: silent };
    }
    // What was kept was true until the connection was cut.
    const cut = mayBeStale(number) ? own.find((when) => when <= time && time <= when + maxStaleness + delay) : undefined;
    if (cut !== undefined) return { kind: 'cut, with maxStaleness', most: Math.min(silent, time - cut + delay, maxStaleness + delay) };
    return { kind: lag > inFlight ? 'the process stood still' : 'all is well, or cut', most: Math.min(silent, delay) };
  };
}

/** What is there when all that has a time to live is gone. */
function atTheEnd({ states }: History): (string | null)[] {
  return states.map((of) => {
    const { value, ttl } = of.at(-1) ?? {};
    return value === undefined || ttl !== undefined ? null : value;
  });
}

async function launch(): Promise<ChildProcess> {
  const child = fork(compiled('spec/support/near-process.ts'), { execArgv: [] });
  await answer(child);
  return child;
}

async function answer<T>(child: ChildProcess): Promise<T> {
  const gone = once(child, 'exit').then(([code]) => Promise.reject(new Error(`a process ended with ${code}`)));
  const [message] = (await Promise.race([once(child, 'message'), gone])) as [T];
  gone.catch(() => {});
  return message;
}
