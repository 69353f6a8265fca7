import { CommandError, ConnectionError } from '../../errors.js';
import { named } from '../../messages.js';
import { firstAnswer, waitAtMost } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import { reconnectStrategy } from '../backoff.js';
import type { ClientOptions } from '../client/client-options.js';
import { makeClient } from '../client/make-client.js';
import type { Connection, Reply } from '../connection.js';
import { Retries } from '../pacing.js';
import { distinct, placedAt, type SentinelPlan } from '../target.js';
import { askOnce } from './topology.js';

/** What one sentinel knows. */
export interface SentinelView {
  /** Grows with each failover. */
  readonly epoch: number;
  readonly primary: string;
  readonly replicas: readonly string[];
  readonly sentinels: readonly string[];
}

/** How long to wait for other sentinels after the first reply: they learn of a failover one after the other. */
const gracePeriod: Milliseconds = 50;
const gracePeriodAfterFailover: Milliseconds = 500;

/** A subscription is mostly idle: it is pinged this often, and given up after twice that without a reply. */
const pingInterval: Milliseconds = 2000;

/** The sentinels that monitor a primary. */
export class Sentinels {
  readonly #plan: SentinelPlan;
  readonly #timeout: Milliseconds;
  #discovered: readonly string[] = [];
  #sawFailover = false;
  #subscribers: readonly ReturnType<typeof makeClient>[] | undefined;

  constructor(plan: SentinelPlan, timeout: Milliseconds) {
    this.#plan = plan;
    this.#timeout = timeout;
  }

  /** Asks all sentinels. @returns the view with the latest failover, among those that reply about as fast as the first */
  async ask(): Promise<SentinelView> {
    const known = this.#discovered.map((address) => placedAt(this.#plan.addresses(address), this.#plan.sentinel));
    const grace = this.#sawFailover ? gracePeriodAfterFailover : gracePeriod;
    this.#sawFailover = false;
    const views: SentinelView[] = [];
    const asking = distinct([...this.#plan.seeds, ...known]).map(async (sentinel) => {
      views.push(await askOnce({ ...sentinel, RESP: 2 }, this.#timeout, (connection) => this.#viewOf(connection)));
    });
    await firstAnswer(asking, this.#timeout);
    await waitAtMost(Promise.allSettled(asking), grace);
    const view = views.reduce((latest, each) => (each.epoch > latest.epoch ? each : latest));
    this.#discovered = view.sentinels;
    return view;
  }

  /**
   * Subscribes to `+promoted-slave` and `+switch-master` on the configured sentinels, once. Without these events, a failover in which the
   * old primary goes on answering would stay unnoticed for up to ten seconds. A sentinel that is down is retried.
   */
  subscribe(onFailover: () => void): void {
    const { name } = this.#plan;
    this.#subscribers ??= this.#plan.seeds.map((options) => {
      const retries = new Retries();
      const client = makeClient({
        ...options,
        RESP: 2,
        pingInterval,
        socket: {
          reconnectStrategy(attempt: number, cause: Error) {
            if (attempt === 0) retries.lost();
            return reconnectStrategy(retries.next(), cause);
          },
          ...options.socket,
          socketTimeout: 2 * pingInterval,
        } as NonNullable<ClientOptions['socket']>,
      });
      client.on('error', () => {}).on('ready', () => retries.up());
      const onMessage = (message: string): void => {
        if (!message.startsWith(`${name} `) && !message.includes(`@ ${name} `)) return;
        this.#sawFailover = true;
        onFailover();
      };
      client.connect().then(
        () => client.subscribe(['+promoted-slave', '+switch-master'], onMessage).catch(() => {}),
        () => {},
      );
      return client;
    });
  }

  close(): void {
    for (const client of this.#subscribers ?? []) {
      // One that is still connecting is out of reach until then.
      client.on('connect', () => client.destroy());
      client.destroy();
    }
  }

  async #viewOf(connection: Connection): Promise<SentinelView> {
    const { name } = this.#plan;
    // During a failover, GET-MASTER-ADDR-BY-NAME names the new primary earlier than MASTER does.
    const [address, primary, replicas, sentinels] = await Promise.all(
      ['GET-MASTER-ADDR-BY-NAME', 'MASTER', 'REPLICAS', 'SENTINELS'].map((what) => connection.send(['SENTINEL', what, name])),
    ).catch((error) => {
      if (!(error instanceof CommandError)) throw error;
      throw new ConnectionError(`the sentinel does not know ${named(name)}: ${error.message}`, { cause: error });
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
