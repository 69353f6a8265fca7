import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisServer } from '../redis.js';
import { type RawClient, rawClient } from '../wire.js';
import { type Condition, garbage } from './condition.js';
import { FaultProxy } from './proxy.js';
import type { Random } from './random.js';
import { drip, ramp, rampTime, type Topology, timeout } from './topology.js';
import type { Order } from './what-happened.js';

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

  /** Where a store finds the proxy of a node. */
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

  get accepted(): number {
    return this.proxies.reduce((sum, { accepted }) => sum + accepted, 0);
  }

  order(fault: string): Order {
    return fault === drip ? 'nowhere' : 'per writer';
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

/**
 * What can happen to the network before several servers, and what one of them says of itself: to a primary, or to all of them.
 * Sentinels and cluster nodes see none of it.
 */
export function badNetworks<T extends Nodes<T> & { primaryServer(random: Random): Promise<RedisServer> }>(
  primary: string,
): Record<string, Fault<T>> {
  const before = async (it: T, random: Random): Promise<FaultProxy> => it.proxyOf((await it.primaryServer(random)).port);
  const one =
    (condition: (random: Random) => Condition): Fault<T> =>
    async (it, random) =>
      network([await before(it, random)], condition(random));
  const every =
    (condition: (random: Random) => Condition): Fault<T> =>
    async (it, random) =>
      network(it.proxies, condition(random));
  return {
    [`the network to ${primary} is frozen`]: one(() => ({ kind: 'frozen' })),
    [`the network to ${primary} loses requests`]: one(() => ({ kind: 'swallow', way: 'requests' })),
    [`the network to ${primary} loses replies`]: one(() => ({ kind: 'swallow', way: 'replies' })),
    async [`connections to ${primary} are refused`](it, random) {
      const proxy = await before(it, random);
      await proxy.refuse();
      return () => proxy.accept();
    },
    'the whole network is frozen': every(() => ({ kind: 'frozen' })),
    'the whole network loses requests': every(() => ({ kind: 'swallow', way: 'requests' })),
    'connections are cut in the middle of replies': every((random) => ({ kind: 'cut', from: 1, to: random.pick([500, 5000]) })),
    'the network is late': every((random) => ({ kind: 'late', by: random.integer(20, 150), jitter: random.integer(50, 200) })),
    'the whole network is narrow, both ways': every((random) => ({ kind: 'narrow', bytesPerSecond: 1000 * random.integer(10, 60) })),
    [ramp]: every(() => ({ kind: 'ramp', from: 1, to: 1500, over: rampTime })),
    async [`connections to ${primary} are half-open`](it, random) {
      const proxy = await before(it, random);
      proxy.present({ kind: 'swallow', way: 'both' });
      return async () => proxy.become({ kind: 'open' });
    },
    [`connections to ${primary} are accepted and closed`]: one(() => ({ kind: 'closing' })),
    [`the port of ${primary} greets with garbage`]: one(garbage),
    'the network is almost too late': every(() => ({ kind: 'late', by: 0.39 * timeout, jitter: 0.05 * timeout })),
    [drip]: every((random) => ({ kind: 'drip', bytes: random.integer(1, 64), every: random.integer(1, 10) })),
    async 'connections are reset again and again'(it, random) {
      return repeated(random.integer(10, 150), () => {
        for (const proxy of it.proxies) if (random.next() < 0.4) proxy.reset();
      });
    },
    [`${primary} is busy with scripts`]: async (it, random) => aside(await it.primaryServer(random), busy),
    [`${primary} answers that it is busy`]: async (it, random) => aside(await it.primaryServer(random), busyAndSaysSo),
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

/** The same, and Redis answers BUSY meanwhile. */
function busyAndSaysSo(client: RawClient): End {
  const limit = (milliseconds: string): Promise<unknown> =>
    client.sendCommand(['CONFIG', 'SET', 'lua-time-limit', milliseconds]).catch(() => undefined);
  void limit('50');
  const end = busy(client);
  return async () => {
    await end();
    // Refused as long as a script runs.
    while (!(await limit('5000')));
  };
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
