import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { admin, minimalEverywhere } from '../support/acl.js';
import { compiled } from '../support/compiled.js';
import type { Observation, Orders } from '../support/near-process.js';
import { random } from '../support/random.js';
import type { RedisServer } from '../support/redis.js';
import { SilentProxy } from '../support/silent-proxy.js';
import { onOwnServer, type RawClient } from '../support/wire.js';

/** `NEAR_SECONDS=60 NEAR_SEED=7 npm test -- --grep coherence` for a longer run, or for one again. */
const seconds = Number(process.env['NEAR_SECONDS'] ?? 6);
const seed = Number(process.env['NEAR_SEED'] ?? Date.now() % 1_000_000);
const processes = 8;
const keys = 200;
const timeout = 500;
/** How old what is served may be, whatever happens: twice the deadline, or `maxStaleness`. */
const bound = 1000;
/** How far the clocks of two processes on one machine may be apart. */
const skew = 10;

/** What became of a key at the server. */
interface State {
  readonly index: number;
  readonly time: number;
  /** `undefined`: nothing is there any more. */
  readonly value?: string;
  readonly ttl?: number;
}

describe('coherence of near caches in many processes', function () {
  this.timeout((seconds + 60) * 1000);
  let server: RedisServer;
  let redis: RawClient;
  onOwnServer((own, client) => {
    server = own;
    redis = client;
  });

  it(`no read is older than what its process has seen, nor than ${bound} ms; when it is quiet all agree with Redis`, async () => {
    console.log(`      seed ${seed}, ${seconds} s`);
    const next = random(seed);
    const monitor = await Monitor.start(server.port);
    const proxy = await SilentProxy.start(server.port);
    const children = await Promise.all(Array.from({ length: processes }, start));
    const logs = Promise.all(children.map((child) => answer<{ log: Observation[] }>(child)));
    for (const [number, child] of children.entries()) {
      const near = { freeze: number % 2 === 0, maxStaleness: number < 4 ? 0 : 800, ...(number === 3 ? { max: 50 } : {}) };
      const options = { near, timeout, ...(number === 5 ? { batch: false as const } : {}) };
      child.send({
        // Two of them, one of which may serve what is stale for longer, lose the network for a while.
        location: number === 2 || number === 6 ? proxy.location : server.location,
        number,
        seed: seed + number,
        keys,
        milliseconds: seconds * 1000,
        options,
        pooled: number % 4 === 1,
      } satisfies Orders);
    }

    // What happens to them: flushes, cut connections, and a network that goes silent.
    let kills = 0;
    const end = performance.now() + seconds * 1000;
    const silence = (async () => {
      await sleep(0.3 * seconds * 1000);
      proxy.silence();
      await sleep(3000);
      proxy.resume();
    })();
    while (performance.now() < end) {
      await sleep(100 + next() * 300);
      const list = String(await redis.sendCommand(['CLIENT', 'LIST']));
      const tracked = [...list.matchAll(/^id=(\d+) .* flags=\S*t\S* /gm)].map(([, id]) => id as string);
      for (const _ of [1, 2]) {
        const [victim] = tracked.splice(Math.floor(next() * tracked.length), 1);
        if (victim !== undefined) kills += Number(await redis.sendCommand(['CLIENT', 'KILL', 'ID', victim]));
      }
      if (next() < 0.3) await redis.flushDb();
    }
    const observed = await logs;
    await silence;
    // What has a time to live ends within 200 ms; connections are back; what was pushed has come.
    await sleep(2000);
    const reads = Promise.all(children.map((child) => answer<{ quiet: (string | null)[][] }>(child)));
    for (const child of children) child.send('quiet');
    const quiet = await reads;
    const truth = await redis.mGet(Array.from({ length: keys }, (_, i) => `c:k${i}`));
    await sleep(100);
    monitor.stop();
    proxy.stop();

    const history = monitor.history;
    const found = observed.map(({ log }, number) => examine(log, history, number));
    const total = found.reduce((sum, each) => ({ ...each, reads: sum.reads + each.reads, worst: Math.max(sum.worst, each.worst) }));
    console.log(
      `      ${total.reads} reads, ${monitor.reads} of them asked Redis; ${monitor.writes} writes; ${kills} connections cut; oldest read ${total.worst.toFixed(0)} ms`,
    );
    expect(found.flatMap(({ problems }) => problems).slice(0, 10)).to.deep.equal([]);
    for (const {
      quiet: [first, second],
    } of quiet as { quiet: [unknown[], unknown[]] }[]) {
      const expected = truth.map((text) => (text === null ? null : JSON.parse(String(text))));
      expect(first).to.deep.equal(expected);
      expect(second).to.deep.equal(expected);
    }
    // None of this says anything where nothing is kept, written or cut.
    expect(monitor.reads).to.be.below(total.reads * 0.8);
    expect(monitor.writes).to.be.above(200);
    expect(kills).to.be.above(3);
  });
});

async function start(): Promise<ChildProcess> {
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

/** Every change of every key in the order in which Redis made it. */
class Monitor {
  readonly history = Array.from({ length: keys }, (): State[] => [{ index: 0, time: 0 }]);
  reads = 0;
  writes = 0;
  #index = 0;
  #rest = '';
  readonly #socket;

  private constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setEncoding('latin1').on('data', (chunk) => this.#read(String(chunk)));
    if (minimalEverywhere) this.#socket.write(`AUTH ${admin.username} ${admin.password}\r\n`);
    this.#socket.write('MONITOR\r\n');
  }

  static async start(port: number): Promise<Monitor> {
    const monitor = new Monitor(port);
    await once(monitor.#socket, 'data');
    return monitor;
  }

  stop(): void {
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    const lines = (this.#rest + chunk).split('\r\n');
    this.#rest = lines.pop() as string;
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    const [, stamp, command = ''] = /^\+(\d+\.\d+) \[[^\]]+\] (.*)$/.exec(line) ?? [];
    const time = Number(stamp) * 1000;
    const name = /^"(\w+)"/.exec(command)?.[1]?.toUpperCase();
    const named = [...command.matchAll(/"c:k(\d+)"/g)].map(([, key]) => Number(key));
    const index = ++this.#index;
    if (name === 'GET' || name === 'MGET' || name === 'EXISTS') this.reads += named.length;
    if (name === 'SET') {
      this.writes++;
      const [value] = /v-\d+-\d+/.exec(command) as unknown as [string];
      const ttl = /"PX" "(\d+)"/.exec(command)?.[1];
      for (const key of named) this.history[key]?.push({ index, time, value, ...(ttl === undefined ? {} : { ttl: Number(ttl) }) });
    }
    const gone = name === 'FLUSHDB' ? this.history.keys() : name === 'UNLINK' || name === 'GETDEL' ? named : [];
    for (const key of gone) this.history[key]?.push({ index, time });
  }
}

/** Holds what a process saw against what the server did. */
function examine(log: readonly Observation[], history: readonly (readonly State[])[], number: number) {
  const problems: string[] = [];
  const indexOf = new Map(history.flatMap((states) => states.map((state, place) => [state.value, place] as const)));
  /** By key, the place in its history before which the process cannot go back. */
  const floors = new Map<number, number>();
  const open = new Map<number, { start: Observation & { at: 'start' }; floor: number }>();
  let reads = 0;
  let worst = 0;

  for (const entry of log) {
    if (entry.at === 'start') {
      open.set(entry.id, { start: entry, floor: floors.get(entry.key) ?? 0 });
      continue;
    }
    const { start, floor } = open.get(entry.id) as { start: Observation & { at: 'start' }; floor: number };
    open.delete(entry.id);
    if (!entry.ok) continue;
    const { key, kind, time } = start;
    const states = history[key] as readonly State[];
    const raise = (place: number): void => void floors.set(key, Math.max(floors.get(key) ?? 0, place));
    const wrong = (what: string): void => void problems.push(`process ${number}, ${kind} k${key}: ${what}`);

    if (kind === 'set') {
      raise(indexOf.get(start.value as string) as number);
    } else if (kind === 'del' || (kind === 'take' && entry.result === undefined)) {
      const place = states.findIndex((state) => state.time >= time - skew && state.value === undefined);
      if (place !== -1 && (states[place] as State).time <= entry.time + skew) raise(place);
    } else {
      reads++;
      const absent = entry.result === undefined || entry.result === false;
      let place: number;
      if (typeof entry.result === 'string') {
        place = indexOf.get(entry.result) as number;
        if (place < floor) wrong(`${entry.result} after ${states[floor]?.value ?? 'a deletion'} was seen`);
        const { ttl, time: set } = states[place] as State;
        if (ttl !== undefined && time > set + ttl + skew) wrong(`${entry.result} ${(time - set - ttl).toFixed(0)} ms after it expired`);
      } else {
        // What could have been there (or not) the latest: a time to live may have ended whenever it liked.
        const fits = (state: State): boolean => (absent ? state.value === undefined || state.ttl !== undefined : state.value !== undefined);
        const latest = states.findLastIndex((state, i) => i >= floor && state.time <= entry.time + skew && fits(state));
        if (latest === -1) wrong(`${entry.result} where ${states[floor]?.value ?? 'a deletion'} was seen`);
        place = latest;
      }
      if (place === -1) continue;
      // Stale from when the state was succeeded by another.
      const successor = states[place + 1];
      const age = successor ? time - successor.time : 0;
      worst = Math.max(worst, age);
      if (age > bound + skew) wrong(`${entry.result} was ${age.toFixed(0)} ms old`);
      if (typeof entry.result === 'string') raise(place);
    }
  }
  return { problems, reads, worst };
}
