import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisServer } from '../redis.js';
import { type RawClient, rawClient } from '../wire.js';
import { type Condition, FaultProxy } from './proxy.js';
import type { Random } from './random.js';
import type { Topology } from './topology.js';

/** Ends a fault: resolves when the servers are there again, or a replica has been promoted. */
export type End = () => Promise<unknown>;

/** Begins a fault, and gives what ends it. */
export type Fault<T> = (it: T, random: Random) => Promise<End>;

/** Several real servers, each behind a proxy of its own, which the stores find by `nodeAddressMap`. */
export abstract class Nodes<T> implements Topology {
  abstract readonly stores: Topology['stores'];
  abstract readonly rollsBack: readonly string[];
  readonly #faults: Readonly<Record<string, Fault<T>>>;
  #proxies: ReadonlyMap<number, FaultProxy> = new Map();
  #end: End | undefined;
  #later: Promise<unknown> = Promise.resolve();

  constructor(faults: Readonly<Record<string, Fault<T>>>) {
    this.#faults = faults;
  }

  protected async open(ports: readonly number[], random: Random): Promise<void> {
    const pairs = ports.map(async (port) => [port, await FaultProxy.start(port, random.fork())] as const);
    this.#proxies = new Map(await Promise.all(pairs));
  }

  /** Where a store finds the proxy of a node. Sentinels have none. */
  readonly addressMap = (address: string): { host: string; port: number } | undefined => {
    const proxy = this.#proxies.get(Number(address.split(':').at(-1)));
    return proxy && { host: '127.0.0.1', port: Number(proxy.location.split(':')[1]) };
  };

  proxyOf(port: number): FaultProxy {
    return this.#proxies.get(port) as FaultProxy;
  }

  get proxies(): readonly FaultProxy[] {
    return [...this.#proxies.values()];
  }

  async inject(fault: string, random: Random): Promise<void> {
    const begin = this.#faults[fault];
    if (!begin) throw new Error(`here is no fault \`${fault}\``);
    this.#end = await begin(this as unknown as T, random);
  }

  async heal(): Promise<void> {
    const end = this.#end;
    this.#end = undefined;
    await end?.();
  }

  /** What is seen to once the stores are on their way back, such as the return of a node that was replaced. */
  later(work: () => Promise<unknown>): void {
    this.#later = this.#later.then(work);
  }

  async whole(): Promise<void> {
    await this.#later;
    for (let i = 0; i < 1000; i++) {
      if (await this.isWhole().catch(() => false)) return;
      await sleep(20);
    }
    throw new Error('the nodes do not find each other again');
  }

  async stop(): Promise<void> {
    await this.heal();
    await this.#later;
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
    await this.stopServers();
  }

  /** Whether every node is in its place, with replicas that are connected. */
  protected abstract isWhole(): Promise<boolean>;
  protected abstract stopServers(): Promise<void>;
}

/** A network condition on some of the proxies. */
export async function network(proxies: readonly FaultProxy[], condition: Condition): Promise<End> {
  for (const proxy of proxies) proxy.become(condition);
  return async () => {
    for (const proxy of proxies) proxy.become({ kind: 'open' });
  };
}

/** Something that happens again and again. */
export function repeated(milliseconds: number, work: () => unknown): End {
  const timer = setInterval(work, milliseconds);
  return async () => clearInterval(timer);
}

/** With a client beside the proxies, until the fault ends. */
export async function aside(server: RedisServer, begin: (client: RawClient) => End): Promise<End> {
  const client = await rawClient(server);
  const end = begin(client);
  return async () => {
    await end();
    client.destroy();
  };
}

/** Keeps a server busy most of the time, never as long as others need to take it for dead. */
export function busy(client: RawClient): End {
  const script = 'local start = os.clock(); while os.clock() - start < 0.3 do end';
  return repeated(450, () => client.sendCommand(['EVAL', script, '0']).catch(() => {}));
}

/** Ends all connections but those of sentinels, which would take the server for dead, and of this client. */
export function killClients(client: RawClient, every: number): End {
  return repeated(every, async () => {
    const list = await client.sendCommand<string>(['CLIENT', 'LIST', 'TYPE', 'normal']).catch(() => '');
    const strangers = list.split('\n').filter((line) => line !== '' && !/ name=sentinel-| cmd=client\|list /.test(line));
    for (const line of strangers) client.sendCommand(['CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line)?.[1] as string]).catch(() => {});
  });
}

export async function all(ends: readonly Promise<End>[]): Promise<End> {
  const begun = await Promise.all(ends);
  return () => Promise.all(begun.map((end) => end()));
}
