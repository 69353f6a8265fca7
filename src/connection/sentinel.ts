import { CommandError, ConnectionError, PermissionError, ReadOnlyError, UnavailableError } from '../errors.js';
import { ClientConnection } from './client.js';
import type { Argument, Caller, Connection, Reply, Route } from './connection.js';
import { askedOnce, firstAnswer } from './first-answer.js';
import { NodesTracking, readsReplicas } from './nodes-tracking.js';
import { hostAndPort } from './slots.js';
import { onSwitch } from './switches.js';
import { placed, type SentinelPlan } from './topologies.js';
import { Topology, type TopologyOptions } from './topology.js';
import type { Tracking, TrackingListener } from './tracking.js';

interface Node {
  readonly address: string;
  readonly connection: Connection;
}

/** What one sentinel says. */
interface Word {
  readonly epoch: number;
  readonly primary: string;
  readonly replicas: readonly string[];
  readonly sentinels: readonly string[];
}

/** Sentinels learn of a failover one after the other: how long the first to answer is not taken at its word, and how long where one has told of one. */
const others = 50;
const othersAfterSwitch = 500;

/**
 * The primary that sentinels watch over, and its replicas where they shall be read: a node-redis client for each. The sentinels
 * are asked for them when something is amiss, when one of them says that the primary has changed, and every `scanInterval`.
 */
export class SentinelConnection extends Topology {
  readonly #plan: SentinelPlan;
  #sentinels: readonly string[] = [];
  #primary: Node | undefined;
  #replicas: readonly Node[] = [];
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  #switches: { stop(): void } | undefined;
  #switched = false;
  #found: Promise<boolean> | undefined;
  #tracking: NodesTracking | undefined;

  constructor(plan: SentinelPlan, options: TopologyOptions) {
    super(options, plan.node);
    this.#plan = plan;
  }

  /** The client of the primary. */
  get client(): unknown {
    return this.#primary?.connection.client;
  }

  /** On the primary. What replicas answer lags behind, and each lags differently. */
  track(listener: TrackingListener): Tracking {
    const tracking = new NodesTracking(listener);
    if (this.#plan.readReplicas) listener.refused(readsReplicas());
    else this.#tracking = tracking;
    return tracking;
  }

  override async close(grace: number): Promise<void> {
    clearInterval(this.#timer);
    this.#switches?.stop();
    await super.close(grace);
  }

  protected primaryConnections(): readonly Connection[] {
    return this.#primary ? [this.#primary.connection] : [];
  }

  protected allConnections(): readonly Connection[] {
    return [...this.primaryConnections(), ...this.#replicas.map(({ connection }) => connection)];
  }

  protected dispatch(args: readonly Argument[], route: Route, caller?: Caller): Promise<Reply> {
    const { connection: primary } = this.#primary as Node;
    const usable =
      this.#plan.readReplicas && route.readonly ? this.#replicas.filter(({ connection }) => connection.status === 'ready') : [];
    const replica = usable[this.#turn++ % usable.length]?.connection;
    if (!replica) return primary.send(args, route, caller).then(undefined, (error) => this.#follow(error, args, caller));
    return replica.send(args, route, caller).then(undefined, (error) => {
      // It was a read, and the primary can answer it as well.
      const reason = this.reason(error);
      const elsewhere = reason instanceof ConnectionError || reason instanceof UnavailableError;
      if (elsewhere && caller?.waiting !== false) return primary.send(args, route, caller);
      throw reason;
    });
  }

  /** A write that went to a replica was not executed: it goes to the primary once that is found, while its caller waits. */
  async #follow(failure: unknown, args: readonly Argument[], caller: Caller | undefined): Promise<Reply> {
    const error = this.reason(failure);
    if (error instanceof ConnectionError) this.mend();
    if (!(error instanceof ReadOnlyError)) throw error;
    const refused = this.#primary;
    this.mend();
    await this.find().catch(() => {});
    const primary = this.#primary as Node;
    if (this.closed || primary === refused || caller?.waiting === false) throw error;
    return primary.connection.send(args, {}, caller);
  }

  protected find(): Promise<boolean> {
    this.#found ??= this.#find().finally(() => {
      this.#found = undefined;
    });
    return this.#found;
  }

  async #find(): Promise<boolean> {
    const { primary, replicas, sentinels } = await this.#ask();
    if (this.closed) throw new ConnectionError('closed');
    this.#sentinels = sentinels;
    this.#switches ??= onSwitch(this.#plan.seeds, this.#plan.name, () => {
      this.#switched = true;
      this.mend(true);
    });
    if (this.#plan.scanInterval > 0) this.#timer ??= setInterval(() => this.mend(), this.#plan.scanInterval);
    if (this.#primary?.address !== primary) await this.#promote(primary);
    else await firstAnswer([this.#primary.connection.ready()], this.options.patience);
    if (this.#plan.readReplicas) this.#keepTo(replicas);
    return this.allConnections().every(({ status }) => status === 'ready');
  }

  /** Takes a node for the primary once it says so itself: sentinels may be behind. */
  async #promote(address: string): Promise<void> {
    const next = this.#open(address);
    try {
      await firstAnswer([this.#isPrimary(next.connection)], this.options.patience);
      if (this.closed) throw new ConnectionError('closed');
    } catch (error) {
      await next.connection.close(0);
      throw error;
    }
    const old = this.#primary;
    this.#primary = next;
    this.#tracking?.serve([next.connection]);
    // A primary that was replaced may still take what is sent to it, and lose it.
    void old?.connection.close(0);
  }

  async #isPrimary(connection: Connection): Promise<void> {
    try {
      const [role] = (await connection.send(['ROLE'])) as Reply[];
      if (String(role) !== 'master') throw new ConnectionError(`the sentinels name a primary that is a ${String(role)}`);
    } catch (error) {
      // An ACL without ROLE: then the sentinels are believed.
      if (!(error instanceof PermissionError)) throw error;
    }
  }

  #keepTo(addresses: readonly string[]): void {
    const before = this.#replicas;
    this.#replicas = addresses.map((address) => before.find((replica) => replica.address === address) ?? this.#open(address));
    for (const replica of before) if (!this.#replicas.includes(replica)) void replica.connection.close(this.options.timeout);
    for (const { connection } of this.#replicas)
      if (!before.some((replica) => replica.connection === connection)) connection.ready().catch(() => {});
  }

  #open(address: string): Node {
    const { host, port } = hostAndPort(this.#plan.addresses(address));
    const options = placed(this.#plan.node, host, port);
    const connection = ClientConnection.open(options, this.options.patience, this.onNodeError, this.#tracking !== undefined);
    this.#tracking?.add(connection);
    return { address, connection };
  }

  /** What the sentinels say: the word of the one that knows of the latest failover, among those that answer about as fast as the first. */
  async #ask(): Promise<Word> {
    const { patience } = this.options;
    const known = this.#sentinels.map((address) => {
      const { host, port } = hostAndPort(this.#plan.addresses(address));
      return placed(this.#plan.sentinel, host, port);
    });
    const time = this.#switched ? othersAfterSwitch : others;
    this.#switched = false;
    const words: Word[] = [];
    const asking = [...this.#plan.seeds, ...known].map(async (seed) => {
      words.push(await askedOnce({ ...seed, RESP: 2 }, patience, (connection) => this.#hear(connection)));
    });
    await firstAnswer(asking, patience);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      Promise.allSettled(asking),
      new Promise((resolve) => {
        timer = setTimeout(resolve, time);
      }),
    ]);
    clearTimeout(timer);
    return words.reduce((best, word) => (word.epoch > best.epoch ? word : best));
  }

  async #hear(connection: Connection): Promise<Word> {
    const { name } = this.#plan;
    // During a failover it names the new primary earlier than MASTER does.
    const [address, primary, replicas, sentinels] = await Promise.all(
      ['GET-MASTER-ADDR-BY-NAME', 'MASTER', 'REPLICAS', 'SENTINELS'].map((what) => connection.send(['SENTINEL', what, name])),
    ).catch((error) => {
      if (error instanceof CommandError)
        throw new ConnectionError(`the sentinel does not know ${name}: ${error.message}`, { cause: error });
      throw error;
    });
    const own = fields(primary as Reply[]);
    const usable = (node: Map<string, string>): boolean => !/[so]_down|disconnected/.test(node.get('flags') ?? '');
    return {
      epoch: Number(own.get('config-epoch') ?? 0),
      primary: (address as Reply[] | null)?.map(String).join(':') ?? addressOf(own),
      replicas: (replicas as Reply[][])
        .map(fields)
        .filter((node) => usable(node) && node.get('master-link-status') === 'ok')
        .map(addressOf),
      sentinels: (sentinels as Reply[][]).map(fields).filter(usable).map(addressOf),
    };
  }
}

function fields(list: readonly Reply[]): Map<string, string> {
  const texts = list.map(String);
  return new Map(texts.flatMap((text, i): [string, string][] => (i % 2 === 0 ? [[text, texts[i + 1] as string]] : [])));
}

function addressOf(node: Map<string, string>): string {
  return `${node.get('ip')}:${node.get('port')}`;
}
