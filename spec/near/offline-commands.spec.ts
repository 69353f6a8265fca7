import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { missingInRedis, type ReadEntry, StoredEntry } from '../../src/codec/entry.js';
import type { OrderedCommands } from '../../src/commands/commands.js';
import { inOrder } from '../../src/commands/in-order.js';
import { nullCommands } from '../../src/commands/local.js';
import { AbortedError, BreakerOpenError, ConnectionError, OutOfMemoryError, TimeoutError } from '../../src/errors.js';
import { OfflineMemory } from '../../src/near/offline.js';
import { offlineCommands } from '../../src/near/offline-commands.js';
import { cacheOf } from '../support/internals.js';
import { openStore, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

/** Commands whose next answers the spec decides. */
class Answers {
  readonly memory: OfflineMemory;
  readonly commands: OrderedCommands;
  readonly #open: { resolve(answer: unknown): void; reject(error: unknown): void }[] = [];

  /** `isDeleting`: whether a write that fails becomes a deletion that waits. */
  constructor(max = 100, isDeleting = true) {
    this.memory = new OfflineMemory({ max, ttl: 60_000 });
    const ask = () => new Promise<never>((resolve, reject) => this.#open.push({ resolve, reject } as never));
    const commands = { ...inOrder(nullCommands()), get: ask, set: ask, setMany: ask, unlink: ask, setUnderLease: ask };
    this.commands = offlineCommands(commands, this.memory, { isInternal: () => false, isDeleting: () => isDeleting });
  }

  /** Answers the oldest call that waits. */
  async answer(answer?: unknown): Promise<void> {
    const call = this.#open.shift();
    if (answer instanceof Error) call?.reject(answer);
    else call?.resolve(answer);
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** What a read gets while Redis is away; `undefined` if nothing is held. */
  async served(key: string): Promise<string | undefined> {
    this.memory.breakerChanged('open');
    this.#open.length = 0;
    const read = this.commands.get(key).then(
      (entry) => (entry.found ? String(entry.bytes) : undefined),
      () => undefined,
    );
    await this.answer(new BreakerOpenError());
    return read;
  }
}

const entry = (text: string): ReadEntry => StoredEntry.parse(text);
const caught = (promise: Promise<unknown>): void => void promise.catch(() => {});

describe('what is recorded for an outage', () => {
  it('is what was read last', async () => {
    const answers = new Answers();
    for (const text of ['1', '2', '2']) {
      void answers.commands.get('k');
      await answers.answer(entry(text));
    }
    expect(await answers.served('k')).to.equal('2');
  });

  it('is nothing once the key is missing in Redis', async () => {
    const answers = new Answers();
    for (const found of [entry('1'), missingInRedis]) {
      void answers.commands.get('k');
      await answers.answer(found);
    }
    expect(await answers.served('k')).to.equal(undefined);
  });

  it('is no answer of a read that began before a deletion, even where that is forgotten', async () => {
    for (const others of [0, 1, 2]) {
      const answers = new Answers(2);
      void answers.commands.get('k');
      caught(answers.commands.unlink(['k']));
      for (let i = 0; i < others; i++) answers.memory.made(`other ${i}`, 'x', undefined);
      await answers.answer(entry('old'));
      await answers.answer(1);
      expect(await answers.served('k')).to.equal(undefined);
    }
  });

  it('is no answer of a read during a write', async () => {
    const answers = new Answers();
    void answers.commands.set('k', 'new', undefined);
    const read = answers.commands.get('k');
    await answers.answer(true);
    await answers.answer(entry('old'));
    await read;
    expect(await answers.served('k')).to.equal('new');
  });

  it('is a value that could not be sent, and none that Redis refused', async () => {
    for (const [error, held] of [
      [new ConnectionError('lost'), 'new'],
      [new OutOfMemoryError('OOM'), undefined],
    ] as const) {
      const answers = new Answers();
      caught(answers.commands.set('k', 'new', undefined));
      await answers.answer(error);
      expect(await answers.served('k')).to.equal(held);
    }
  });

  it('is no value that could not be sent if no deletion waits in its place', async () => {
    for (const isDeleting of [true, false]) {
      const answers = new Answers(100, isDeleting);
      caught(answers.commands.set('k', 'new', undefined));
      await answers.answer(new TimeoutError(100));
      caught(answers.commands.setMany([{ key: 'l', value: 'new', ttl: undefined }]));
      await answers.answer([{ status: 'rejected', reason: new TimeoutError(100) }] as never);
      const held = isDeleting ? 'new' : undefined;
      expect([await answers.served('k'), await answers.served('l')]).to.deep.equal([held, held]);
    }
  });

  it('is no value that is encoded after its write has failed', async () => {
    for (const error of [new AbortedError(undefined), new TimeoutError(100)]) {
      const answers = new Answers();
      let encoded!: (text: string) => void;
      const value = new Promise<string>((resolve) => {
        encoded = resolve;
      });
      caught(answers.commands.set('k', value, undefined));
      await answers.answer(error);
      encoded('v');
      await value;
      expect(await answers.served('k')).to.equal(undefined);
    }
  });

  it('is a value that was made here once it is encoded', async () => {
    const answers = new Answers();
    answers.memory.made('k', Promise.resolve('v'), undefined);
    answers.memory.made('l', Promise.reject(new Error('no bytes')), undefined);
    await sleep(1);
    expect([await answers.served('k'), await answers.served('l')]).to.deep.equal(['v', undefined]);
  });

  it('is no value that was made while a newer one was read, even where that is forgotten', async () => {
    for (const others of [0, 1, 2]) {
      const answers = new Answers(2);
      const began = answers.memory.moment;
      for (const key of ['k', 'other 1', 'other 2'].slice(0, 1 + others)) {
        void answers.commands.get(key);
        await answers.answer(entry('new'));
      }
      answers.memory.made('k', 'old', undefined, began);
      expect(await answers.served('k')).to.equal(others < 2 ? 'new' : undefined);
    }
  });

  it('is no value that was made while its key was changed', async () => {
    const answers = new Answers();
    const began = answers.memory.moment;
    caught(answers.commands.unlink(['k']));
    await answers.answer(1);
    answers.memory.made('k', 'old', undefined, began);
    expect(await answers.served('k')).to.equal(undefined);
  });

  it('is no value of more than a sixteenth of its bytes, nor the one before it, and the others stay', async () => {
    const large = 'x'.repeat(4 * 2 ** 20 + 1);
    const writes: Record<string, (answers: Answers) => unknown> = {
      written: ({ commands }) => caught(commands.set('k', large, undefined)),
      encoded: ({ commands }) => caught(commands.set('k', Promise.resolve(large), undefined)),
      read: ({ commands }) => caught(commands.get('k')),
      made: ({ memory }) => memory.made('k', large, undefined),
    };
    for (const [how, write] of Object.entries(writes)) {
      const answers = new Answers();
      for (const key of ['k', 'other']) answers.memory.made(key, 'small', undefined);
      write(answers);
      await answers.answer(how === 'read' ? entry(large) : undefined);
      expect([await answers.served('k'), await answers.served('other')], how).to.deep.equal([undefined, 'small']);
    }
  });

  it('shares the bytes of the near tier, and copies those of the socket', () => {
    const { memory } = new Answers();
    const [near, read] = [StoredEntry.parse(Buffer.from('k'), 'near'), StoredEntry.parse(Buffer.from('l'))];
    memory.takeOver([{ key: 'k', entry: near, deadline: Number.POSITIVE_INFINITY }]);
    memory.record('l', read, memory.moment);
    expect(memory.find('k')?.entry.bytes === near.bytes).to.equal(true);
    expect(memory.find('l')?.entry.bytes === read.bytes).to.equal(false);
    expect(String(memory.find('l')?.entry.bytes)).to.equal('l');
  });

  it('is what the near tier held, taken over bit by bit, unless it was read or changed meanwhile', async () => {
    const answers = new Answers(10_000);
    const near = StoredEntry.parse('near', 'near');
    const lost = Array.from({ length: 10_000 }, (_, i) => ({ key: `k${i}`, entry: near, deadline: performance.now() + 60_000 }));
    answers.memory.takeOver([{ key: 'over', entry: near, deadline: performance.now() - 1 }, ...lost]);
    expect(answers.memory.find('k9999')).to.equal(undefined);
    for (const [key, call] of [
      ['k9999', answers.commands.get('k9999')],
      ['k9998', answers.commands.unlink(['k9998'])],
    ] as const) {
      caught(call as Promise<unknown>);
      await answers.answer(key === 'k9999' ? entry('newer') : 1);
    }
    await until(() => answers.memory.find('k9997') !== undefined);
    await sleep(1);
    const served = await Promise.all(['over', 'k0', 'k9997', 'k9998', 'k9999'].map((key) => String(answers.memory.find(key)?.entry.bytes)));
    expect(served).to.deep.equal(['undefined', 'near', 'near', 'undefined', 'newer']);
  });

  it('is no value of a load that has lost its lease', async () => {
    const answers = new Answers();
    void answers.commands.setUnderLease({ key: 'k', value: 'v', ttl: undefined }, {} as never);
    await answers.answer(false);
    expect(await answers.served('k')).to.equal(undefined);
  });

  it('is a value once it is encoded, unless the key has changed since', async () => {
    for (const isDeleted of [false, true]) {
      const answers = new Answers();
      let encoded!: (text: string) => void;
      const value = new Promise<string>((resolve) => {
        encoded = resolve;
      });
      caught(answers.commands.set('k', value, undefined));
      if (isDeleted) answers.memory.clear();
      encoded('v');
      await answers.answer(new ConnectionError('lost'));
      expect(await answers.served('k')).to.equal(isDeleted ? undefined : 'v');
    }
  });

  it('is dropped when the breaker closes, with the answers of reads under way', async () => {
    const answers = new Answers();
    answers.memory.made('k', 'v', undefined);
    expect(await answers.served('k')).to.equal('v');
    void answers.commands.get('other');
    answers.memory.breakerChanged('closed');
    await answers.answer(entry('old'));
    expect([await answers.served('k'), await answers.served('other')]).to.deep.equal([undefined, undefined]);
  });
});

describe('reads in and between outages', () => {
  it('are never older than the last acknowledged write, nor than what this process wrote', async function () {
    this.timeout(60_000);
    const server = stopping(await RedisServer.start(['--save', '', '--appendonly', 'yes', '--appendfsync', 'always']));
    const where = { location: server.location, timeout: 500 };
    const store = openStore({ ...where, offline: { ttl: 60_000 } });
    const other = openStore({ ...where, prefix: store.source.prefix });
    const acknowledged = new Map<string, number>();
    const attempted = new Map<string, number>();
    const wrong: string[] = [];
    let [isOver, served, round] = [false, 0, 0];
    const pick = (name: string): string => `${name}${Math.floor(Math.random() * 5)}`;

    /** Another process writes these. */
    async function writeThere(): Promise<void> {
      const key = pick('theirs');
      const version = ++round;
      if (await cacheOf(other).writer.set(key, version)) acknowledged.set(key, version);
    }
    async function readTheirs(): Promise<void> {
      const key = pick('theirs');
      const known = acknowledged.get(key) ?? 0;
      const isClosed = store.breaker === 'closed';
      const version = await store.get<number>(key);
      const isReliable = isClosed && store.breaker === 'closed';
      if (isReliable && version !== undefined && version < known) wrong.push(`${key}: ${version} after ${known}`);
    }
    /** This process alone writes these, one call at a time. */
    async function changeOurs(i: number): Promise<void> {
      const key = `ours${i}`;
      if (Math.random() < 0.2) {
        const isDeleted = await store.del(key).then(
          () => true,
          () => false,
        );
        // A deletion that is refused leaves the entry in Redis, and its caller knows.
        attempted.set(key, isDeleted ? 0 : Number.NaN);
      } else {
        attempted.set(key, ++round);
        await store.set(key, round);
      }
      await sleep(Math.random() * 5);
      const before = attempted.get(key);
      const version = await store.get<number>(key);
      if (version !== undefined && store.breaker !== 'closed') served++;
      if (version !== undefined && !Number.isNaN(before) && version !== before) wrong.push(`${key}: ${version}, not ${before}`);
    }

    const loop = async (work: () => Promise<void>): Promise<void> => {
      while (!isOver) {
        await work();
        await sleep(1);
      }
    };
    const loops = [writeThere, readTheirs, readTheirs, ...[0, 1, 2].map((i) => () => changeOurs(i))].map(loop);
    for (let i = 0; i < 4; i++) {
      await sleep(500);
      await server.kill();
      await sleep(500);
      await server.restart();
    }
    await sleep(500);
    isOver = true;
    await Promise.all(loops);
    expect(wrong).to.deep.equal([]);
    expect(served).to.be.above(0);
  });
});
