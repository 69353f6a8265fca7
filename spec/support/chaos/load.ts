import { setTimeout as sleep } from 'node:timers/promises';
import { type Bounds, Calls, type Figures } from './calls.js';
import type { Dependent, Face } from './faces.js';
import type { History } from './history.js';
import type { Random } from './random.js';
import type { Read, Terms, Value, Write } from './what-happened.js';

export interface LoadOptions extends Bounds {
  /** Loops per store; each has one call under way at a time. */
  readonly loops: number;
  /** A loop rests up to this long between two calls. */
  readonly rest: number;
}

type Operation = (face: Face, random: Random) => Promise<void>;

/** Mixed calls on a few hot keys: a constant number of loops over every store, and what the answers say goes to the history. */
export class Load {
  readonly #calls: Calls;
  readonly #history: History;
  readonly #options: LoadOptions;
  readonly #flights = new Map<string, { read: Read; waits: number; callers: number }>();
  #running = false;
  #loops: Promise<void>[] = [];

  constructor(history: History, options: LoadOptions) {
    this.#history = history;
    this.#options = options;
    this.#calls = new Calls(history, options);
  }

  get figures(): Figures {
    return this.#calls.figures;
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
    this.#calls.abandon();
  }

  stop(): void {
    this.#calls.stop();
  }

  async #loop(face: Face, random: Random): Promise<void> {
    while (this.#running) {
      await this.#pick(random, face)(face, random);
      await sleep(random.integer(0, this.#options.rest));
    }
  }

  #pick(random: Random, face: Face): Operation {
    const dice = random.integer(1, 100);
    if (face.dependent && random.next() < 0.25) return this.#pickDependent(random, face.dependent);
    if (dice <= 28) return this.#get;
    if (dice <= 38) return this.#getMany;
    if (dice <= 46) return this.#has;
    if (dice <= 64) return this.#set;
    if (dice <= 72) return this.#setMany;
    if (dice <= 84 || !face.getOrSet) return this.#delete;
    return this.#getOrSet;
  }

  #pickDependent(random: Random, dependent: Dependent): Operation {
    const dice = random.integer(1, 100);
    if (dice <= 25) return this.#getDependent;
    if (dice <= 35) return this.#getManyDependent;
    if (dice <= 55) return this.#setDependent(dependent);
    if (dice <= 85) return this.#serveStale(dependent);
    if (dice <= 90) return this.#deleteDependent;
    return this.#invalidate(dependent);
  }

  readonly #get: Operation = (face, random) => this.#readOne(face, 'get', random.pick(face.keys));

  readonly #getMany: Operation = (face, random) => this.#readMany(face, 'getMany', random.some(face.keys, random.integer(2, 6)));

  readonly #has: Operation = async (face, random) => {
    const read = this.#history.beginRead(random.pick(face.keys), face);
    const there = await this.#calls.run(face, 'has', () => face.has(read.key));
    this.#history.endHas(read, there, `has, ${face.title}`);
  };

  readonly #set: Operation = async (face, random) => {
    const ttl = this.#ttl(random);
    const write = this.#history.beginWrite(random.pick(face.keys), { ttl });
    const stored = await this.#calls.run(face, 'set', () => face.set(write.key, this.#history.valueOf(write), ttl));
    this.#endWrite(face, write, stored);
  };

  readonly #setMany: Operation = async (face, random) => {
    const ttl = this.#ttl(random);
    const writes = random.some(face.keys, random.integer(2, 5)).map((key) => this.#history.beginWrite(key, { ttl }));
    const entries = writes.map((write) => [write.key, this.#history.valueOf(write)] as const);
    const stored = await this.#calls.run(face, 'setMany', () => face.setMany(entries, ttl));
    for (const [i, write] of writes.entries()) {
      if (stored?.[i] === true) this.#history.stored(write, face);
      else this.#history.failed(write, face);
    }
    if (stored?.includes(false)) this.figures.failed++;
  };

  readonly #delete: Operation = (face, random) => this.#erase(face, random.pick(face.keys));

  readonly #getOrSet: Operation = (face, random) => {
    const { getOrSet } = face as Required<Face>;
    return this.#load(face, 'getOrSet', random.pick(face.keys), { ttl: this.#ttl(random) }, getOrSet);
  };

  readonly #getDependent: Operation = (face, random) =>
    this.#readOne(face, 'get with tags', random.pick((face.dependent as Dependent).keys));

  readonly #getManyDependent: Operation = (face, random) => {
    const { keys } = face.dependent as Dependent;
    return this.#readMany(face, 'getMany with tags', [...random.some(keys, 2), ...random.some(face.keys, 2)]);
  };

  #setDependent({ keys, tags, set }: Dependent): Operation {
    return async (face, random) => {
      const terms = { ttl: this.#ttl(random), tags: random.some(tags, random.integer(0, 2)) };
      const write = this.#history.beginWrite(random.pick(keys), terms);
      const stored = await this.#calls.run(face, 'set with tags', () => set(write.key, this.#history.valueOf(write), terms));
      this.#endWrite(face, write, stored);
    };
  }

  #serveStale({ keys, tags, getOrSet }: Dependent): Operation {
    return (face, random) => {
      const terms = { ttl: random.integer(20, 400), staleFor: random.integer(100, 1000), tags: random.some(tags, random.integer(0, 2)) };
      return this.#load(face, 'getOrSet with staleFor', random.pick(keys), terms, (key, make) => getOrSet(key, make, terms));
    };
  }

  readonly #deleteDependent: Operation = (face, random) => this.#erase(face, random.pick((face.dependent as Dependent).keys));

  #invalidate({ tags, invalidate }: Dependent): Operation {
    return async (face, random) => {
      const erasure = this.#history.beginErasure();
      const tag = random.pick(tags);
      const before = face.failures('invalidateTags');
      const done = await this.#calls.run(face, 'invalidateTags', () => invalidate([tag]).then(() => true));
      if (done && face.failures('invalidateTags') === before) this.#history.invalidated([tag], erasure);
    };
  }

  async #readOne(face: Face, operation: string, key: string): Promise<void> {
    const read = this.#history.beginRead(key, face);
    const value = await this.#calls.run(face, operation, () => face.get(key));
    this.#endRead(face, read, value, operation);
  }

  async #readMany(face: Face, operation: string, keys: readonly string[]): Promise<void> {
    const reads = keys.map((key) => this.#history.beginRead(key, face));
    const values = await this.#calls.run(face, operation, () => face.getMany(keys));
    if (values && values.length !== reads.length)
      this.#history.violation(`${operation}, ${face.title}: ${values.length} of ${reads.length} values`);
    for (const [i, read] of reads.entries()) this.#endRead(face, read, values?.[i], operation);
  }

  async #erase(face: Face, key: string): Promise<void> {
    const erasure = this.#history.beginErasure();
    const before = face.failures('del', key);
    const refused = face.refusals(key);
    const done = await this.#calls.run(face, 'delete', async () => {
      await face.delete(key);
      return true;
    });
    // A Keyv's does not reject where Redis refuses it.
    if (!done || face.refusals(key) !== refused) return;
    // One that waits has not happened yet, but for this store.
    if (face.failures('del', key) !== before) this.#history.erasedFor(face, key, erasure);
    else this.#history.erased(key, erasure, face);
  }

  async #load(
    face: Face,
    operation: string,
    key: string,
    terms: Terms,
    load: (key: string, make: () => Value, ttl?: number) => Promise<unknown>,
  ): Promise<void> {
    // Callers of one store share a flight, so the read may have begun with the first of them.
    const flightOf = `${face.title} ${key}`;
    const flight = this.#flights.get(flightOf) ?? { read: this.#history.beginRead(key, face), waits: face.leaseWaits(), callers: 0 };
    this.#flights.set(flightOf, flight);
    flight.callers++;
    const before = face.failures('getOrSet', key);
    let made: Write | undefined;
    const make = () => {
      made = this.#history.beginWrite(key, terms);
      return this.#history.valueOf(made);
    };
    let rejected = true;
    const began = performance.now();
    const value = (await this.#calls.run(
      face,
      operation,
      async () => {
        const got = await load(key, make, terms.ttl);
        rejected = false;
        return got;
      },
      flight.waits,
    )) as Value | undefined;
    if (rejected || value === undefined) this.#history.violation(`${operation}, ${face.title}: did not give the function's value`);
    this.#endRead(face, flight.read, value, operation, terms.staleFor !== undefined);
    if (--flight.callers === 0) this.#flights.delete(flightOf);
    // Its answer does not say whether the value was stored; an `error` event says where it was not. Where time was up it may be under way still,
    // and so may what is made while an old value is served.
    const over = performance.now() - began < this.#options.timeout && value?.seq === made?.seq;
    if (made && over && face.failures('getOrSet', key) === before) this.#history.tookEffect(made);
  }

  #endWrite(face: Face, write: Write, stored: boolean | undefined): void {
    if (stored === true) {
      this.#history.stored(write, face);
      return;
    }
    this.#history.failed(write, face);
    this.figures.failed += stored === false ? 1 : 0;
  }

  #endRead(face: Face, read: Read, value: unknown, operation: string, ageing = false): void {
    if (value !== undefined) this.figures.hits++;
    this.#history.endRead(read, value, `${operation}, ${face.title}`, ageing);
  }

  #ttl(random: Random): number | undefined {
    return random.next() < 0.5 ? undefined : random.integer(50, 3000);
  }
}
