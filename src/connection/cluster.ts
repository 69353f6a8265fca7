import { performance } from 'node:perf_hooks';
import { ConnectionError, UnavailableError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { ClientConnection } from './client.js';
import type { Argument, Caller, Connection, Reply, Route } from './connection.js';
import { apart, divide } from './divide.js';
import { askedOnce, firstAnswer } from './first-answer.js';
import { NodesTracking, readsReplicas } from './nodes-tracking.js';
import { agreedSlots, hostAndPort, redirection, type SlotRange, slotCount, slotOf, slotRanges } from './slots.js';
import { type ClusterPlan, placed } from './topologies.js';
import { Topology, type TopologyOptions } from './topology.js';
import type { Tracking, TrackingListener } from './tracking.js';

interface Node {
  readonly address: string;
  readonly connection: Connection;
  /** When it was last asked for keys that are on their way to it. */
  asked: number;
}

/** The nodes that serve a slot. */
interface Shard {
  readonly primary: Node;
  readonly replicas: readonly Node[];
}

/** A command under way. */
interface Call {
  readonly args: readonly Argument[];
  readonly route: Route;
  readonly slot: number;
  readonly caller: Caller | undefined;
  redirections: number;
  retries: number;
}

/** How long a node is kept that serves no slots yet but is being given some. */
const keepAsked: Milliseconds = 5000;

/** How long to wait before a command that a node did not execute, because it cannot for the moment, is sent again. */
const delays: readonly Milliseconds[] = [20, 50, 100, 200];

/**
 * A Redis Cluster: a node-redis client for each node, the table of slots, and redirections. A node that is down fails the calls
 * for its own slots, at once, and no others.
 */
export class ClusterConnection extends Topology {
  readonly #plan: ClusterPlan;
  readonly #nodes = new Map<string, Node>();
  #shards: readonly Shard[] = [];
  #slots: (Shard | undefined)[] = [];
  #turn = 0;
  #tracking: NodesTracking | undefined;
  /** The table of slots that is tracked. */
  #tracked = '';

  constructor(plan: ClusterPlan, options: TopologyOptions) {
    super(options, plan.node);
    this.#plan = plan;
  }

  /** On the primaries. What replicas answer lags behind, and each lags differently. */
  track(listener: TrackingListener): Tracking {
    const tracking = new NodesTracking(listener, agreedSlots, () => this.mend(true));
    if (this.#plan.readReplicas) listener.refused(readsReplicas());
    else this.#tracking = tracking;
    return tracking;
  }

  async primaries(): Promise<readonly string[]> {
    await this.ready();
    // As they are now: a scan that misses a node would pass for a whole one.
    await this.find();
    return this.#shards.map(({ primary }) => primary.address).sort();
  }

  protected primaryConnections(): readonly Connection[] {
    return this.#shards.map(({ primary }) => primary.connection);
  }

  protected allConnections(): readonly Connection[] {
    return [...this.#nodes.values()].map(({ connection }) => connection);
  }

  protected async find(): Promise<boolean> {
    this.#adopt(await this.#ask());
    await firstAnswer(
      this.primaryConnections().map((connection) => connection.ready()),
      this.options.patience,
    );
    return this.allConnections().every(({ status }) => status === 'ready');
  }

  protected dispatch(args: readonly Argument[], route: Route, caller?: Caller): Promise<Reply> {
    if (route.key === undefined) return this.#keyless(args, route, caller);
    if (route.divisible && args.length > 2) return divide(args, slotOf, (part) => this.#keyed(part, route, caller));
    return this.#keyed(args, route, caller);
  }

  /** PING is for all, so that a health check says how all are. Anything else goes where it was told to, or anywhere. */
  async #keyless(args: readonly Argument[], { node }: Route, caller?: Caller): Promise<Reply> {
    const primaries = this.primaryConnections();
    if (args[0] === 'PING') return (await Promise.all(primaries.map((primary) => primary.send(args, {}, caller))))[0];
    if (node === undefined)
      return (primaries.find(({ status }) => status === 'ready') ?? (primaries[0] as Connection)).send(args, {}, caller);
    const named = this.#nodes.get(node);
    if (!named) throw new ConnectionError(`the node ${node} has left the cluster`);
    return named.connection.send(args, {}, caller);
  }

  #keyed(args: readonly Argument[], route: Route, caller: Caller | undefined): Promise<Reply> {
    const slot = slotOf((route.divisible ? args[1] : route.key) as Argument);
    const call: Call = { args, route, slot, caller, redirections: 0, retries: 0 };
    return this.#deliver(call, this.#nodeFor(call));
  }

  #nodeFor({ slot, route, retries }: Call): Node {
    const shard = this.#slots[slot] ?? (this.#shards[0] as Shard);
    if (!this.#plan.readReplicas || !route.readonly || retries > 0) return shard.primary;
    const usable = shard.replicas.filter(({ connection }) => connection.status === 'ready');
    return usable[this.#turn++ % usable.length] ?? shard.primary;
  }

  #deliver(call: Call, node: Node, asking = false): Promise<Reply> {
    const { connection } = node;
    const sent =
      connection.status === 'ready'
        ? this.#write(call, connection, asking)
        : connection.ready().then(() => {
            if (over(call)) throw new ConnectionError('nobody waits for the answer any more');
            return this.#write(call, connection, asking);
          });
    return sent.then(undefined, (error) => this.#follow(error, call, node));
  }

  #write({ args, route, caller }: Call, connection: Connection, asking: boolean): Promise<Reply> {
    // What comes next on this connection is the command itself. If ASKING fails, so does that.
    if (asking) connection.send(['ASKING']).catch(() => {});
    return connection.send(args, route, caller);
  }

  /** Where a command goes that was not executed: another node, or the same one a moment later. */
  async #follow(failure: unknown, call: Call, from: Node): Promise<Reply> {
    const error = this.reason(failure);
    if (this.closed || over(call)) throw error;
    const to = redirection(error);
    if (to) {
      if (++call.redirections > this.#plan.redirections) throw error;
      const { host, port } = hostAndPort(to.address, hostAndPort(from.address).host);
      const node = this.#node(`${host}:${port}`);
      if (to.kind === 'ASK') {
        node.asked = performance.now();
        for (const key of call.route.divisible ? call.args.slice(1) : [call.route.key]) this.#tracking?.invalidated(String(key));
        return this.#deliver(call, node, true);
      }
      this.#slots[to.slot] = this.#shards.find(({ primary }) => primary === node) ?? { primary: node, replicas: [] };
      this.#tracked = '';
      this.#tracking?.moved(node.connection);
      this.mend();
      return this.#deliver(call, node);
    }
    const reply = String(((error as Error).cause as Error | undefined)?.message);
    // The keys of one slot are on two nodes while it moves.
    if (call.route.divisible && call.args.length > 2 && /^(TRYAGAIN|CROSSSLOT)/.test(reply)) {
      return divide(call.args, apart, (part) => this.#keyed(part, call.route, call.caller));
    }
    const { primary, replicas = [] } = this.#slots[call.slot] ?? {};
    if (error instanceof ConnectionError) {
      this.mend();
      // It was a read, and the primary can answer it as well.
      if (!call.route.readonly || primary === from || call.retries > 0) throw error;
      call.retries++;
      return this.#deliver(call, this.#nodeFor(call));
    }
    const delay = call.retries === 0 && replicas.includes(from) ? 0 : delays[call.retries];
    if (!(error instanceof UnavailableError) || reply.startsWith('BUSY') || delay === undefined) throw error;
    call.retries++;
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    if (this.closed || over(call)) throw error;
    return this.#deliver(call, this.#nodeFor(call));
  }

  /** Who serves which slots, by the first node that answers: one that is connected, or else one that is known by name. */
  async #ask(): Promise<SlotRange[]> {
    const { patience } = this.options;
    const slots = async (connection: Connection, host: string): Promise<SlotRange[]> => {
      const named = (address: string): string => (address.startsWith(':') ? host + address : address);
      const ranges = slotRanges(await connection.send(['CLUSTER', 'SLOTS']));
      if (ranges.length === 0) throw new ConnectionError('no node of the cluster serves any slot');
      return ranges.map(({ from, to, primary, replicas }) => ({ from, to, primary: named(primary), replicas: replicas.map(named) }));
    };
    const connected = [...this.#nodes.values()].filter(({ connection }) => connection.status === 'ready');
    const asked = connected.map(({ address, connection }) => slots(connection, hostAndPort(address).host));
    if (asked.length > 0) {
      try {
        return await firstAnswer(asked, patience);
      } catch {
        // None of them is what it seemed.
      }
    }
    const seeds = [...this.#plan.seeds, ...[...this.#nodes.keys()].map((address) => this.#placed(address))];
    const asking = seeds.map((seed) => {
      const { host = 'localhost' } = (seed.socket ?? {}) as { host?: string };
      return askedOnce(seed, patience, (connection) => slots(connection, host));
    });
    return firstAnswer(asking, patience);
  }

  #adopt(ranges: readonly SlotRange[]): void {
    if (this.closed) return;
    const shards = new Map<string, Shard>();
    const slots = new Array<Shard | undefined>(slotCount);
    for (const { from, to, primary, replicas } of ranges) {
      let shard = shards.get(primary);
      if (!shard) {
        shard = {
          primary: this.#node(primary),
          replicas: this.#plan.readReplicas ? replicas.map((address) => this.#node(address)) : [],
        };
        shards.set(primary, shard);
      }
      slots.fill(shard, from, to + 1);
    }
    this.#shards = [...shards.values()];
    this.#slots = slots;
    const table = ranges
      .map(({ from, to, primary }) => `${from}-${to} ${primary}`)
      .sort()
      .join();
    if (table !== this.#tracked) this.#tracking?.serve(this.primaryConnections());
    this.#tracked = table;
    const served = new Set(this.#shards.flatMap(({ primary, replicas }) => [primary, ...replicas]));
    for (const node of this.#nodes.values()) {
      if (served.has(node) || performance.now() - node.asked < keepAsked) continue;
      this.#nodes.delete(node.address);
      void node.connection.close(this.options.timeout);
    }
  }

  #placed(address: string): ReturnType<typeof placed> {
    const { host, port } = hostAndPort(this.#plan.addresses(address));
    return placed(this.#plan.node, host, port);
  }

  #node(address: string): Node {
    const known = this.#nodes.get(address);
    if (known) return known;
    // A primary of today may be a replica tomorrow, and its connection has to be told that it may read there.
    const options = { ...this.#placed(address), ...(this.#plan.readReplicas ? { readonly: true } : {}) };
    const node = {
      address,
      asked: Number.NEGATIVE_INFINITY,
      connection: ClientConnection.open(options, this.options.patience, this.onNodeError, this.#tracking !== undefined),
    };
    this.#tracking?.add(node.connection);
    this.#nodes.set(address, node);
    node.connection.ready().catch(() => {});
    return node;
  }
}

/** Whoever asked has been told that it failed: a write must not happen after that. */
function over({ caller }: Call): boolean {
  return caller?.waiting === false;
}
