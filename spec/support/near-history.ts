import type { Socket } from 'node:net';
import { monitor } from './monitor.js';
import { tagOf } from './near-process.js';

/** What became of a key at its server. */
export interface State {
  readonly time: number;
  /** `undefined`: nothing is there any more, or nothing that counts. */
  readonly value?: string;
  readonly ttl?: number;
}

/** What Redis has held under every key, one state after another, and how much was asked of it. */
export interface History {
  readonly states: readonly (readonly State[])[];
  readonly reads: number;
  readonly writes: number;
}

/** Writes down what every server is sent, to be read once all is over: it must not keep this process from what else it does. */
export class Monitors {
  readonly #sockets: readonly Socket[];
  readonly #heard: readonly string[][];

  private constructor(sockets: readonly Socket[], heard: readonly string[][]) {
    this.#sockets = sockets;
    this.#heard = heard;
  }

  static async start(ports: readonly number[]): Promise<Monitors> {
    const heard = ports.map((): string[] => []);
    const sockets = await Promise.all(ports.map((port, i) => monitor(port, (text) => heard[i]?.push(text))));
    return new Monitors(sockets, heard);
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What Redis has held: the order of commands is that of each server, and among servers that of their clock, which is one. */
  history(keys: number): History {
    const commands = this.#heard.flatMap((chunks, server) =>
      chunks
        .join('')
        .split('\r\n')
        .flatMap((line) => {
          const [, stamp, command] = /^\+(\d+\.\d+) \[[^\]]+\] (.*)$/.exec(line) ?? [];
          return command === undefined ? [] : [{ server, time: Number(stamp) * 1000, command }];
        }),
    );
    const replay = new Replay(keys);
    for (const each of commands.sort((a, b) => a.time - b.time)) replay.run(each);
    return replay;
  }
}

interface Command {
  readonly server: number;
  readonly time: number;
  readonly command: string;
}

class Replay implements History {
  readonly states: State[][];
  reads = 0;
  writes = 0;
  /** The server of each key and tag that was heard of. */
  readonly #keysOf = new Map<number, Set<number>>();
  readonly #tagsOf = new Map<number, Set<string>>();
  /** The generation of each tag. */
  readonly #generations = new Map<string, string>();

  constructor(keys: number) {
    this.states = Array.from({ length: keys }, () => [{ time: 0 }]);
  }

  run({ server, time, command }: Command): void {
    const name = /^"(\w+)"/.exec(command)?.[1]?.toUpperCase();
    const named = [...command.matchAll(/"c:k(\d+)"/g)].map(([, key]) => Number(key));
    const tags = [...command.matchAll(/"c#t:(t\d)"/g)].map(([, tag]) => tag as string);
    for (const key of named) at(this.#keysOf, server).add(key);
    for (const tag of tags) at(this.#tagsOf, server).add(tag);
    switch (name) {
      case 'GET':
      case 'MGET':
      case 'EXISTS':
      case 'GETRANGE':
        this.reads += named.length;
        break;
      case 'SET':
        for (const key of named) this.#write(key, time, command);
        // By a script, and only where there is nothing: what was there before has ended, and with it every entry that carried it.
        for (const tag of tags) {
          this.#gone([], [tag], time);
          this.#generations.set(tag, / "([\w-]{16})"(?: |$)/.exec(command)?.[1] as string);
        }
        break;
      case 'UNLINK':
      case 'GETDEL':
        this.#gone(named, tags, time);
        break;
      case 'FLUSHDB':
        this.#gone(at(this.#keysOf, server), at(this.#tagsOf, server), time);
    }
  }

  #write(key: number, time: number, command: string): void {
    this.writes++;
    // Behind the ids of tags, which are random text.
    const value = [...command.matchAll(/v-\d+-\d+/g)].at(-1)?.[0] as string;
    const ttl = /"PX" "(\d+)"/.exec(command)?.[1];
    this.states[key]?.push({ time, value, ...(ttl === undefined ? {} : { ttl: Number(ttl) }) });
    const tag = tagOf(key);
    if (tag === undefined) return;
    const stamp = new RegExp(`\\\\"t${tag}\\\\",\\\\"([\\w-]{16})\\\\"`).exec(command)?.[1] as string;
    // What was overtaken by an invalidation never counts.
    if (this.#generations.get(`t${tag}`) !== stamp) this.states[key]?.push({ time });
  }

  #gone(keys: Iterable<number>, tags: Iterable<string>, time: number): void {
    for (const key of keys) this.states[key]?.push({ time });
    // Whatever has the tag is gone, or was.
    for (const tag of tags) {
      this.#generations.delete(tag);
      for (const [key, states] of this.states.entries()) if (`t${tagOf(key)}` === tag) states.push({ time });
    }
  }
}

function at<K, V>(map: Map<K, Set<V>>, key: K): Set<V> {
  const found = map.get(key) ?? new Set<V>();
  map.set(key, found);
  return found;
}
