import { setTimeout as sleep } from 'node:timers/promises';
import type { Face } from './faces.js';
import type { History, Read } from './history.js';
import { Lag } from './lag.js';
import type { Random } from './random.js';

export interface LoadOptions {
  /** Deadline of the stores, in milliseconds. */
  readonly timeout: number;
  /** How far past it a call may settle. */
  readonly slack: number;
  /** Loops per store; each has one call under way at a time. */
  readonly loops: number;
  /** A loop rests up to this long between two calls. */
  readonly rest: number;
}

export interface Figures {
  calls: number;
  /** Calls that rejected, or said that they had not written. */
  failed: number;
  /** Values that were read. */
  hits: number;
  /** The longest that a call took, without the time in which the process did not run. */
  slowest: number;
}

type Operation = (face: Face, random: Random) => Promise<void>;

/** Mixed calls on a few hot keys: a constant number of loops over every store, and what the answers say goes to the history. */
export class Load {
  readonly figures: Figures = { calls: 0, failed: 0, hits: 0, slowest: 0 };
  readonly #history: History;
  readonly #options: LoadOptions;
  readonly #lag = new Lag();
  readonly #underWay = new Map<symbol, { name: string; began: number; lag: number }>();
  readonly #flights = new Map<string, { read: Read; callers: number }>();
  #running = false;
  #loops: Promise<void>[] = [];

  constructor(history: History, options: LoadOptions) {
    this.#history = history;
    this.#options = options;
  }

  start(faces: readonly Face[], random: Random): void {
    this.#running = true;
    const sources = faces.flatMap((face) => Array.from({ length: this.#options.loops }, () => ({ face, random: random.fork() })));
    this.#loops = sources.map(({ face, random: own }) => this.#loop(face, own));
  }

  /** Ends the loops. A call that does not settle is a violation. */
  async pause(): Promise<void> {
    this.#running = false;
    const { timeout, slack } = this.#options;
    const patience = new AbortController();
    const { signal } = patience;
    const over = sleep(2 * (timeout + slack), undefined, { signal }).catch(() => {});
    await Promise.race([Promise.all(this.#loops).finally(() => patience.abort()), over]);
    for (const { name } of this.#underWay.values()) this.#history.violation(`${name} did not settle at all`);
    this.#underWay.clear();
  }

  stop(): void {
    this.#lag.stop();
  }

  async #loop(face: Face, random: Random): Promise<void> {
    while (this.#running) {
      await this.#pick(random, face)(face, random);
      await sleep(random.integer(0, this.#options.rest));
    }
  }

  #pick(random: Random, face: Face): Operation {
    const dice = random.integer(1, 100);
    if (dice <= 28) return this.#get;
    if (dice <= 38) return this.#getMany;
    if (dice <= 46) return this.#has;
    if (dice <= 64) return this.#set;
    if (dice <= 72) return this.#setMany;
    if (dice <= 84 || !face.getOrSet) return this.#delete;
    return this.#getOrSet;
  }

  readonly #get: Operation = async (face, random) => {
    const key = random.pick(face.keys);
    const read = this.#history.beginRead(key);
    const value = await this.#call(face, 'get', () => face.get(key));
    this.#endRead(face, read, value, 'get');
  };

  readonly #getMany: Operation = async (face, random) => {
    const reads = random.some(face.keys, random.integer(2, 6)).map((key) => this.#history.beginRead(key));
    const values = await this.#call(face, 'getMany', () => face.getMany(reads.map(({ key }) => key)));
    if (values && values.length !== reads.length)
      this.#history.violation(`getMany, ${face.title}: ${values.length} of ${reads.length} values`);
    for (const [i, read] of reads.entries()) this.#endRead(face, read, values?.[i], 'getMany');
  };

  readonly #has: Operation = async (face, random) => {
    const key = random.pick(face.keys);
    const read = this.#history.beginRead(key);
    const there = await this.#call(face, 'has', () => face.has(key));
    if (!face.behind) this.#history.endHas(read, there, `has, ${face.title}`);
  };

  readonly #set: Operation = async (face, random) => {
    const ttl = this.#ttl(random);
    const write = this.#history.beginWrite(random.pick(face.keys), ttl);
    const stored = await this.#call(face, 'set', () => face.set(write.key, this.#history.valueOf(write), ttl));
    if (stored === true) this.#history.stored(write);
    else this.figures.failed += stored === false ? 1 : 0;
  };

  readonly #setMany: Operation = async (face, random) => {
    const ttl = this.#ttl(random);
    const writes = random.some(face.keys, random.integer(2, 5)).map((key) => this.#history.beginWrite(key, ttl));
    const entries = writes.map((write) => [write.key, this.#history.valueOf(write)] as const);
    const stored = await this.#call(face, 'setMany', () => face.setMany(entries, ttl));
    for (const [i, write] of writes.entries()) if (stored?.[i] === true) this.#history.stored(write);
    if (stored?.includes(false)) this.figures.failed++;
  };

  readonly #delete: Operation = async (face, random) => {
    const erasure = this.#history.beginErasure(random.pick(face.keys));
    const done = await this.#call(face, 'delete', async () => {
      await face.delete(erasure.key);
      return true;
    });
    if (done) this.#history.erased(erasure);
  };

  readonly #getOrSet: Operation = async (face, random) => {
    const key = random.pick(face.keys);
    const ttl = this.#ttl(random);
    // Callers of one store share a flight, so the read may have begun with the first of them.
    const flightOf = `${face.title} ${key}`;
    const flight = this.#flights.get(flightOf) ?? { read: this.#history.beginRead(key), callers: 0 };
    this.#flights.set(flightOf, flight);
    flight.callers++;
    const before = face.failures(key);
    let made: ReturnType<History['beginWrite']> | undefined;
    const make = () => {
      made = this.#history.beginWrite(key, ttl);
      return this.#history.valueOf(made);
    };
    let rejected = true;
    const value = await this.#call(face, 'getOrSet', async () => {
      const got = await (face.getOrSet as NonNullable<Face['getOrSet']>)(key, make, ttl);
      rejected = false;
      return got;
    });
    if (rejected || value === undefined) this.#history.violation(`getOrSet, ${face.title}: did not give the function's value`);
    this.#endRead(face, flight.read, value, 'getOrSet');
    if (--flight.callers === 0) this.#flights.delete(flightOf);
    // Its answer does not say whether the value was stored; an `error` event says where it was not.
    if (made && face.failures(key) === before) this.#history.tookEffect(made);
  };

  #endRead(face: Face, read: Read, value: unknown, operation: string): void {
    if (value !== undefined) this.figures.hits++;
    this.#history.endRead(read, value, `${operation}, ${face.title}`, face.behind);
  }

  #ttl(random: Random): number | undefined {
    return random.next() < 0.5 ? undefined : random.integer(50, 3000);
  }

  /** One call, timed. Gives `undefined` where it rejects. */
  async #call<T>(face: Face, operation: string, call: () => Promise<T>): Promise<T | undefined> {
    const name = `${operation}, ${face.title}`;
    const id = Symbol(name);
    const began = performance.now();
    const lag = this.#lag.total;
    this.#underWay.set(id, { name, began, lag });
    this.figures.calls++;
    try {
      return await call();
    } catch (error) {
      this.figures.failed++;
      const { code } = error as { code?: unknown };
      if (!face.throwing && operation !== 'delete') this.#history.violation(`${name} rejected: ${String(error)}`);
      if (typeof code !== 'string' || !code.startsWith('ERR_'))
        this.#history.violation(`${name} rejected with no error of ours: ${String(error)}`);
      return undefined;
    } finally {
      this.#underWay.delete(id);
      const took = performance.now() - began - (this.#lag.total - lag);
      this.figures.slowest = Math.max(this.figures.slowest, took);
      const { timeout, slack } = this.#options;
      if (took > timeout * face.operations + slack)
        this.#history.violation(`${name} took ${Math.round(took)} ms, with a timeout of ${timeout} ms`);
    }
  }
}
