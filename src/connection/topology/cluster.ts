import { ConnectionError, UnavailableError } from '../../errors.js';
import { clearInterval, performance, setInterval, setTimeout } from '../../time/clock.js';
import { firstAnswer } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import type { Argument, Caller, Connection, Reply, Route } from '../connection.js';
import { isReplyOf, type Redirection, redirectionOf } from '../reply-errors.js';
import { agreedSlots, keyByKey, primariesOf, type SlotRange, slotCount, slotOf, splitByNode } from '../slots.js';
import { addressOf, type ClusterPlan, distinct, hostAndPort, hostOf, placedAt } from '../target.js';
import { askView, newestTable } from './cluster-view.js';
import { askOnce, type Nodes, TopologyConnection, type TopologyOptions } from './topology.js';

interface Node {
  readonly address: string;
  readonly connection: Connection;
  /** When an ASK reply last sent a command to it. */
  askedAt: number;
}

/** The nodes that serve a slot. */
interface Shard {
  readonly primary: Node;
  replicas: readonly Node[];
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

/** How long a node is kept after an ASK reply, although it serves no slots yet. */
const keepAskedFor: Milliseconds = 5000;

/** How often the nodes are asked although nothing is amiss: a map may be old without a sign of it. */
const lookInterval: Milliseconds = 30_000;

/** Delays before a command is sent again that a node did not execute because it cannot at the moment. */
const retryDelays: readonly Milliseconds[] = [20, 50, 100, 200];

/** A connection to a Redis Cluster. A node that is down fails the calls for its slots only, at once. */
export function clusterConnection(plan: ClusterPlan, options: TopologyOptions): Connection {
  return new TopologyConnection(plan, options, (connection) => new ClusterNodes(plan, options, connection));
}

class ClusterNodes implements Nodes {
  readonly view = agreedSlots;
  readonly #plan: ClusterPlan;
  readonly #options: TopologyOptions;
  readonly #connection: TopologyConnection;
  readonly #nodes = new Map<string, Node>();
  #shards: readonly Shard[] = [];
  #slots: (Shard | undefined)[] = [];
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The table of slots that is tracked. */
  #trackedTable = '';

  constructor(plan: ClusterPlan, options: TopologyOptions, connection: TopologyConnection) {
    this.#plan = plan;
    this.#options = options;
    this.#connection = connection;
  }

  async primaries(): Promise<readonly string[]> {
    await this.#connection.ready();
    // Always up to date: a scan that misses a node would look complete.
    await this.find();
    return this.#shards.map(({ primary }) => primary.address).sort();
  }

  primaryConnections(): readonly Connection[] {
    return this.#shards.map(({ primary }) => primary.connection);
  }

  allConnections(): readonly Connection[] {
    return [...this.#nodes.values()].map(({ connection }) => connection);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async find(): Promise<boolean> {
    this.#adopt(await this.#ask());
    // Not all of a fleet at the same moment.
    if (!this.#connection.closed) this.#timer ??= setInterval(this.#look, lookInterval * (1 + Math.random() / 2)).unref();
    const connecting = this.primaryConnections().map((connection) => connection.ready());
    await firstAnswer(connecting, this.#options.livenessTimeout);
    return this.allConnections().every(({ status }) => status === 'ready');
  }

  readonly #look = (): void => {
    this.find().catch(() => this.#connection.rediscover());
  };

  dispatch(args: readonly Argument[], route: Route, caller?: Caller): Promise<Reply> {
    if (route.key === undefined) return this.#sendKeyless(args, route, caller);
    if (route.divisible && args.length > 2) return splitByNode(args, slotOf, (part) => this.#sendKeyed(part, route, caller));
    return this.#sendKeyed(args, route, caller);
  }

  /** Sends PING to all primaries, as a health check of the whole; any other command to the node of its route, or to any primary. */
  async #sendKeyless(args: readonly Argument[], { node }: Route, caller?: Caller): Promise<Reply> {
    const primaries = this.primaryConnections();
    if (args[0] === 'PING') return (await Promise.all(primaries.map((primary) => primary.send(args, {}, caller))))[0];
    const any = primaries.find(({ status }) => status === 'ready') ?? primaries[0];
    const connection = node === undefined ? any : this.#nodes.get(node)?.connection;
    if (!connection) throw new ConnectionError(`the node ${node} has left the cluster`);
    return connection.send(args, {}, caller);
  }

  #sendKeyed(args: readonly Argument[], route: Route, caller: Caller | undefined): Promise<Reply> {
    const slot = slotOf((route.divisible ? args[1] : route.key) as Argument);
    const call: Call = { args, route, slot, caller, redirections: 0, retries: 0 };
    return this.#deliver(call, this.#nodeFor(call));
  }

  #nodeFor({ slot, route, retries }: Call): Node {
    const { primary, replicas } = this.#slots[slot] ?? (this.#shards[0] as Shard);
    if (!route.readonly || retries > 0) return primary;
    const usable = replicas.filter(({ connection }) => connection.status === 'ready');
    return usable[this.#turn++ % usable.length] ?? primary;
  }

  #deliver(call: Call, node: Node, asking = false): Promise<Reply> {
    const { connection } = node;
    const write = (): Promise<Reply> => {
      if (isOver(call)) throw new ConnectionError('its caller no longer waits for the answer');
      // ASKING applies to the next command on this connection. If it fails, so does the command.
      if (asking) connection.send(['ASKING'], {}, call.caller).catch(() => {});
      return connection.send(call.args, call.route, call.caller);
    };
    const sent = connection.status === 'ready' ? write() : connection.ready().then(write);
    return sent.then(undefined, (error) => this.#retry(error, call, node));
  }

  /** Sends a command again that was not executed: to another node, or to the same one a moment later. */
  async #retry(failure: unknown, call: Call, from: Node): Promise<Reply> {
    const error = this.#connection.explain(failure);
    if (this.#connection.closed || isOver(call)) throw error;
    const redirection = redirectionOf(error);
    if (redirection) {
      if (++call.redirections > this.#plan.redirections) throw error;
      return this.#redirect(redirection, call, from);
    }
    // While a slot moves, its keys are on two nodes.
    if (call.route.divisible && call.args.length > 2 && (isReplyOf(error, 'try again') || isReplyOf(error, 'other slot'))) {
      return splitByNode(call.args, keyByKey, (part) => this.#sendKeyed(part, call.route, call.caller));
    }
    const shard = this.#slots[call.slot];
    const { primary, replicas = [] } = shard ?? {};
    if (error instanceof ConnectionError) {
      this.#connection.rediscover();
      // The primary can answer a read as well.
      if (!call.route.readonly || primary === from || call.retries++ > 0) throw error;
      return this.#deliver(call, this.#nodeFor(call));
    }
    // Also of a node that has left the cluster, or is cut off.
    if (isReplyOf(error, 'cluster down')) {
      if (shard) shard.replicas = replicas.filter((replica) => replica !== from);
      this.#connection.rediscover();
    }
    const delay = call.retries === 0 && replicas.includes(from) ? 0 : retryDelays[call.retries];
    if (!(error instanceof UnavailableError) || isReplyOf(error, 'busy') || delay === undefined) throw error;
    call.retries++;
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    if (this.#connection.closed || isOver(call)) throw error;
    return this.#deliver(call, this.#nodeFor(call));
  }

  #redirect({ kind, slot, address }: Redirection, call: Call, from: Node): Promise<Reply> {
    const { host, port } = hostAndPort(address, hostAndPort(from.address).host);
    const node = this.#node(`${host}:${port}`);
    if (kind === 'ASK') {
      node.askedAt = performance.now();
      for (const key of call.route.divisible ? call.args.slice(1) : [call.route.key]) this.#connection.tracking?.invalidated(String(key));
      return this.#deliver(call, node, true);
    }
    this.#slots[slot] = this.#shards.find(({ primary }) => primary === node) ?? { primary: node, replicas: [] };
    this.#trackedTable = '';
    this.#connection.tracking?.moved(node.connection);
    this.#connection.rediscover();
    return this.#deliver(call, node);
  }

  /** Asks for the table of slots: the connected nodes, or else every node that is known by name. */
  async #ask(): Promise<readonly SlotRange[]> {
    const { livenessTimeout } = this.#options;
    const connected = [...this.#nodes.values()].filter(({ connection }) => connection.status === 'ready');
    const asked = connected.map(({ address, connection }) => askView(connection, hostAndPort(address).host));
    const ranges = asked.length > 0 ? await newestTable(asked, livenessTimeout).catch(() => undefined) : undefined;
    if (ranges) return ranges;
    // Those that have answered are not asked again, least of all by new connections while the cluster is down.
    const others = [...this.#nodes.keys()].filter((address) => !connected.some((node) => node.address === address));
    const known = others.map((address) => placedAt(this.#plan.addresses(address), this.#plan.node));
    const seeds = this.#plan.seeds.filter((seed) => !connected.some(({ address }) => address === addressOf(seed)));
    const asking = distinct([...seeds, ...known]).map((seed) =>
      askOnce(seed, livenessTimeout, (connection) => askView(connection, hostOf(seed))),
    );
    // Without a table, that of a cluster that is down is better than none.
    return newestTable(asking, livenessTimeout, this.#shards.length === 0);
  }

  #adopt(ranges: readonly SlotRange[]): void {
    if (this.#connection.closed) return;
    const shards = new Map<string, Shard>();
    this.#slots = new Array<Shard | undefined>(slotCount);
    for (const { from, to, primary, replicas } of ranges) {
      const shard = shards.get(primary) ?? {
        primary: this.#node(primary),
        replicas: this.#plan.readReplicas ? replicas.map((address) => this.#node(address)) : [],
      };
      shards.set(primary, shard);
      this.#slots.fill(shard, from, to + 1);
    }
    this.#shards = [...shards.values()];
    const table = primariesOf(ranges);
    if (table !== this.#trackedTable) this.#connection.tracking?.serve(this.primaryConnections());
    this.#trackedTable = table;
    const serving = new Set(this.#shards.flatMap(({ primary, replicas }) => [primary, ...replicas]));
    for (const node of this.#nodes.values()) {
      if (serving.has(node) || performance.now() - node.askedAt < keepAskedFor) continue;
      this.#nodes.delete(node.address);
      void node.connection.close(this.#options.timeout);
    }
  }

  #node(address: string): Node {
    const known = this.#nodes.get(address);
    if (known) return known;
    // A primary may become a replica, which answers reads only after READONLY.
    const connection = this.#connection.openNode(address, this.#plan.readReplicas ? { readonly: true } : {});
    const node = { address, connection, askedAt: Number.NEGATIVE_INFINITY };
    this.#nodes.set(address, node);
    connection.ready().catch(() => {});
    return node;
  }
}

/** Whether the caller was told that the call failed: a write must not be executed after that. */
const isOver = ({ caller }: Call): boolean => caller?.waiting === false;
