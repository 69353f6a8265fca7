import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { OrderedCommands } from '../commands/in-order.js';
import { nextTick } from '../connection/real-time.js';
import type { Milliseconds, WireTtl } from '../ttl.js';
import type { TagMemory } from './tag-memory.js';

/** The least by which the key of a tag outlives its entry: the entry is written later, and Redis counts from then. */
const leastMargin: Milliseconds = 250;

/** A question for a generation that other writes of the same tick share. */
interface Asked {
  readonly id: Promise<string>;
  readonly round: number;
}

/**
 * The generations that entries are stamped with. The key of a tag lives half as long again as the longest entry that carries it, so that
 * extending it is rare. While the process knows that it lives long enough, stamping is a GET.
 */
export class TagStamps {
  readonly #commands: Pick<OrderedCommands, 'get' | 'stamp'>;
  readonly #memory: TagMemory;
  /** What was asked for in this tick and is not answered, by key. */
  readonly #asked = new Map<string, Asked>();

  constructor(commands: Pick<OrderedCommands, 'get' | 'stamp'>, memory: TagMemory) {
    this.#commands = commands;
    this.#memory = memory;
  }

  /** The ids under these keys, made where there are none, for entries that live for `life`. */
  async read(keys: readonly string[], life: WireTtl): Promise<string[]> {
    const stamping = this.#memory.begin(keys);
    try {
      const now = performance.now();
      const ids = await Promise.all(keys.map((key) => this.#ask(key, now, life)));
      return ids.map((id, i) => (stamping.stale.has(keys[i] as string) ? newId() : id));
    } finally {
      this.#memory.end(stamping);
    }
  }

  /** Sees to it that these keys live for `life`, where they are still there. `undefined` where that is known. */
  extend(keys: readonly string[], life: WireTtl): Promise<unknown> | undefined {
    const now = performance.now();
    const due = keys.filter((key) => !this.#memory.covers(key, now, life));
    return due.length === 0 ? undefined : Promise.all(due.map((key) => this.#stamp(key, undefined, now, life)));
  }

  /** One question for all writes of a tick. */
  #ask(key: string, now: Milliseconds, life: WireTtl): Promise<string> {
    const covered = this.#memory.covers(key, now, life);
    const asked = this.#asked.get(key);
    if (asked && covered && asked.round === this.#memory.round) return asked.id;
    if (this.#asked.size === 0) nextTick(() => this.#asked.clear());
    const question = { id: covered ? this.#get(key, now, life) : this.#make(key, now, life), round: this.#memory.round };
    this.#asked.set(key, question);
    const answered = (): void => {
      if (this.#asked.get(key) === question) this.#asked.delete(key);
    };
    question.id.then(answered, answered);
    return question.id;
  }

  async #get(key: string, now: Milliseconds, life: WireTtl): Promise<string> {
    const id = await this.#commands.get(key);
    return id === null ? this.#make(key, now, life) : String(id);
  }

  async #make(key: string, now: Milliseconds, life: WireTtl): Promise<string> {
    const id = newId();
    return (await this.#stamp(key, id, now, life)) ?? id;
  }

  async #stamp(key: string, id: string | undefined, now: Milliseconds, life: WireTtl): Promise<string | undefined> {
    const time = life === undefined ? undefined : life + Math.ceil(Math.max(life / 2, leastMargin));
    this.#memory.extended(key, now, time);
    try {
      return await this.#commands.stamp(key, id, time);
    } catch (error) {
      this.#memory.forget(key);
      throw error;
    }
  }
}

/** 96 random bits: no two are ever the same. */
function newId(): string {
  return randomBytes(12).toString('base64url');
}
