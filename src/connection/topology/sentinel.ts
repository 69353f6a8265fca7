import { ConnectionError, PermissionError, ReadOnlyError, UnavailableError } from '../../errors.js';
import { named } from '../../messages.js';
import { clearInterval, setInterval } from '../../time/clock.js';
import { firstAnswer } from '../../time/deadlines.js';
import type { Argument, Caller, Connection, Reply, Route } from '../connection.js';
import type { SentinelPlan } from '../target.js';
import { Sentinels } from './sentinels.js';
import { type Nodes, TopologyConnection, type TopologyOptions } from './topology.js';

interface Node {
  readonly address: string;
  readonly connection: Connection;
}

/** A connection to the primary that sentinels monitor, and to its replicas if they are read. */
export function sentinelConnection(plan: SentinelPlan, options: TopologyOptions): Connection {
  return new TopologyConnection(plan, options, (connection) => new SentinelNodes(plan, options, connection));
}

class SentinelNodes implements Nodes {
  readonly #plan: SentinelPlan;
  readonly #options: TopologyOptions;
  readonly #connection: TopologyConnection;
  readonly #sentinels: Sentinels;
  #primary: Node | undefined;
  #replicas: readonly Node[] = [];
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  #finding: Promise<boolean> | undefined;

  constructor(plan: SentinelPlan, options: TopologyOptions, connection: TopologyConnection) {
    this.#plan = plan;
    this.#options = options;
    this.#connection = connection;
    this.#sentinels = new Sentinels(plan, options.livenessTimeout);
  }

  /** The client of the primary. */
  get client(): unknown {
    return this.#primary?.connection.client;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#sentinels.close();
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

  dispatch(args: readonly Argument[], route: Route, caller?: Caller): Promise<Reply> {
    const { connection: primary } = this.#primary as Node;
    const usable =
      this.#plan.readReplicas && route.readonly ? this.#replicas.filter(({ connection }) => connection.status === 'ready') : [];
    const replica = usable[this.#turn++ % usable.length]?.connection;
    if (!replica) return primary.send(args, route, caller).then(undefined, (error) => this.#retryWrite(error, args, caller));
    return replica.send(args, route, caller).then(undefined, (failure) => {
      // The primary can answer a read as well.
      const error = this.#connection.explain(failure);
      const retryable = error instanceof ConnectionError || error instanceof UnavailableError;
      if (retryable && caller?.waiting !== false) return primary.send(args, route, caller);
      throw error;
    });
  }

  /** A write that a replica refused was not executed. If its caller still waits once the new primary is found, it is sent there. */
  async #retryWrite(failure: unknown, args: readonly Argument[], caller: Caller | undefined): Promise<Reply> {
    const error = this.#connection.explain(failure);
    if (error instanceof ConnectionError) this.#connection.rediscover();
    if (!(error instanceof ReadOnlyError)) throw error;
    const old = this.#primary;
    this.#connection.rediscover();
    await this.find().catch(() => {});
    const primary = this.#primary as Node;
    if (this.#connection.closed || primary === old || caller?.waiting === false) throw error;
    return primary.connection.send(args, {}, caller);
  }

  async #find(): Promise<boolean> {
    const { primary, replicas } = await this.#sentinels.ask();
    if (this.#connection.closed) throw new ConnectionError('closed');
    this.#sentinels.subscribe(() => this.#connection.rediscover(true));
    if (this.#plan.scanInterval > 0) this.#timer ??= setInterval(() => this.#connection.rediscover(), this.#plan.scanInterval);
    if (this.#primary?.address !== primary) await this.#promote(primary);
    else await firstAnswer([this.#primary.connection.ready()], this.#options.livenessTimeout);
    if (this.#plan.readReplicas) this.#useReplicas(replicas);
    return this.allConnections().every(({ status }) => status === 'ready');
  }

  /** Uses a node as the primary once it confirms that it is: the sentinels' view may be outdated. */
  async #promote(address: string): Promise<void> {
    const next = { address, connection: this.#connection.openNode(address) };
    try {
      await firstAnswer([checkIsPrimary(next.connection)], this.#options.livenessTimeout);
      if (this.#connection.closed) throw new ConnectionError('closed');
    } catch (error) {
      await next.connection.close(0);
      throw error;
    }
    const old = this.#primary;
    this.#primary = next;
    this.#connection.tracking?.serve([next.connection]);
    // The old primary may still accept writes, and lose them.
    void old?.connection.close(0);
  }

  #useReplicas(addresses: readonly string[]): void {
    const before = this.#replicas;
    this.#replicas = addresses.map(
      (address) => before.find((replica) => replica.address === address) ?? { address, connection: this.#connection.openNode(address) },
    );
    for (const replica of before) if (!this.#replicas.includes(replica)) void replica.connection.close(this.#options.timeout);
    for (const { connection } of this.#replicas)
      if (!before.some((replica) => replica.connection === connection)) connection.ready().catch(() => {});
  }
}

/** Asks the node for its role. @throws {ConnectionError} if it is not a primary */
async function checkIsPrimary(connection: Connection): Promise<void> {
  try {
    const [role] = (await connection.send(['ROLE'])) as Reply[];
    if (String(role) !== 'master') throw new ConnectionError(`the sentinels name a primary that is a ${named(String(role))}`);
  } catch (error) {
    // If the ACL forbids ROLE, trust the sentinels.
    if (!(error instanceof PermissionError)) throw error;
  }
}
