import { ConnectionError, PermissionError, ReadOnlyError, UnavailableError } from '../../errors.js';
import { clearInterval, setInterval } from '../../time/clock.js';
import { firstAnswer } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import { ClientConnection } from '../client/client.js';
import type { Argument, Caller, Connection, Reply, Route, Status, Tracking, TrackingListener } from '../connection.js';
import { placedAt, type SentinelPlan } from '../target.js';
import { NodesTracking, readsReplicas } from '../tracking/nodes-tracking.js';
import { Sentinels } from './sentinels.js';
import { Discovery, type Nodes, type TopologyOptions } from './topology.js';

interface Node {
  readonly address: string;
  readonly connection: Connection;
}

/** A connection to the primary that sentinels monitor, and to its replicas if they are read: a node-redis client for each. */
export class SentinelConnection implements Connection, Nodes {
  readonly #plan: SentinelPlan;
  readonly #options: TopologyOptions;
  readonly #discovery: Discovery;
  readonly #sentinels: Sentinels;
  #primary: Node | undefined;
  #replicas: readonly Node[] = [];
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  #finding: Promise<boolean> | undefined;
  #tracking: NodesTracking | undefined;

  constructor(plan: SentinelPlan, options: TopologyOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#discovery = new Discovery(this, options.onError, plan.node);
    this.#sentinels = new Sentinels(plan, options.livenessTimeout);
  }

  get status(): Status {
    return this.#discovery.status;
  }

  /** The client of the primary. */
  get client(): unknown {
    return this.#primary?.connection.client;
  }

  ready(): Promise<void> {
    return this.#discovery.ready();
  }

  send(args: readonly Argument[], route: Route = {}, caller?: Caller): Promise<Reply> {
    if (this.#discovery.known) return this.#dispatch(args, route, caller);
    return this.ready().then(() => this.#dispatch(args, route, caller));
  }

  /** Tracks on the primary. Replicas lag behind it, each differently. */
  track(listener: TrackingListener): Tracking {
    const tracking = new NodesTracking(listener);
    if (this.#plan.readReplicas) listener.refused(readsReplicas());
    else this.#tracking = tracking;
    return tracking;
  }

  async close(grace: Milliseconds): Promise<void> {
    clearInterval(this.#timer);
    this.#sentinels.close();
    await this.#discovery.close(grace);
  }

  primaryConnections(): readonly Connection[] {
    return this.#primary ? [this.#primary.connection] : [];
  }

  allConnections(): readonly Connection[] {
    return [...this.primaryConnections(), ...this.#replicas.map(({ connection }) => connection)];
  }

  find(): Promise<boolean> {
    this.#finding ??= this.#find().finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  #dispatch(args: readonly Argument[], route: Route, caller?: Caller): Promise<Reply> {
    const { connection: primary } = this.#primary as Node;
    const usable =
      this.#plan.readReplicas && route.readonly ? this.#replicas.filter(({ connection }) => connection.status === 'ready') : [];
    const replica = usable[this.#turn++ % usable.length]?.connection;
    if (!replica) return primary.send(args, route, caller).then(undefined, (error) => this.#retryWrite(error, args, caller));
    return replica.send(args, route, caller).then(undefined, (failure) => {
      // The primary can answer a read as well.
      const error = this.#discovery.explain(failure);
      const retryable = error instanceof ConnectionError || error instanceof UnavailableError;
      if (retryable && caller?.waiting !== false) return primary.send(args, route, caller);
      throw error;
    });
  }

  /** A write that a replica refused was not executed. If its caller still waits once the new primary is found, it is sent there. */
  async #retryWrite(failure: unknown, args: readonly Argument[], caller: Caller | undefined): Promise<Reply> {
    const error = this.#discovery.explain(failure);
    if (error instanceof ConnectionError) this.#discovery.rediscover();
    if (!(error instanceof ReadOnlyError)) throw error;
    const old = this.#primary;
    this.#discovery.rediscover();
    await this.find().catch(() => {});
    const primary = this.#primary as Node;
    if (this.#discovery.closed || primary === old || caller?.waiting === false) throw error;
    return primary.connection.send(args, {}, caller);
  }

  async #find(): Promise<boolean> {
    const { primary, replicas } = await this.#sentinels.ask();
    if (this.#discovery.closed) throw new ConnectionError('closed');
    this.#sentinels.subscribe(() => this.#discovery.rediscover(true));
    if (this.#plan.scanInterval > 0) this.#timer ??= setInterval(() => this.#discovery.rediscover(), this.#plan.scanInterval);
    if (this.#primary?.address !== primary) await this.#promote(primary);
    else await firstAnswer([this.#primary.connection.ready()], this.#options.livenessTimeout);
    if (this.#plan.readReplicas) this.#useReplicas(replicas);
    return this.allConnections().every(({ status }) => status === 'ready');
  }

  /** Uses a node as the primary once it confirms that it is: the sentinels' view may be outdated. */
  async #promote(address: string): Promise<void> {
    const next = this.#open(address);
    try {
      await firstAnswer([checkIsPrimary(next.connection)], this.#options.livenessTimeout);
      if (this.#discovery.closed) throw new ConnectionError('closed');
    } catch (error) {
      await next.connection.close(0);
      throw error;
    }
    const old = this.#primary;
    this.#primary = next;
    this.#tracking?.serve([next.connection]);
    // The old primary may still accept writes, and lose them.
    void old?.connection.close(0);
  }

  #useReplicas(addresses: readonly string[]): void {
    const before = this.#replicas;
    this.#replicas = addresses.map((address) => before.find((replica) => replica.address === address) ?? this.#open(address));
    for (const replica of before) if (!this.#replicas.includes(replica)) void replica.connection.close(this.#options.timeout);
    for (const { connection } of this.#replicas)
      if (!before.some((replica) => replica.connection === connection)) connection.ready().catch(() => {});
  }

  #open(address: string): Node {
    const options = placedAt(this.#plan.addresses(address), this.#plan.node);
    const { livenessTimeout } = this.#options;
    const connection = ClientConnection.open(options, livenessTimeout, this.#discovery.onNodeError, this.#tracking !== undefined);
    this.#tracking?.add(connection);
    return { address, connection };
  }
}

/** Asks the node for its role. @throws {ConnectionError} if it is not a primary */
async function checkIsPrimary(connection: Connection): Promise<void> {
  try {
    const [role] = (await connection.send(['ROLE'])) as Reply[];
    if (String(role) !== 'master') throw new ConnectionError(`the sentinels name a primary that is a ${String(role)}`);
  } catch (error) {
    // If the ACL forbids ROLE, trust the sentinels.
    if (!(error instanceof PermissionError)) throw error;
  }
}
