import type { StoreOptions } from '../../../src/index.js';
import type { Random } from './random.js';
import type { Order } from './what-happened.js';

/** Deadline of the stores under load, in milliseconds. */
export const timeout = 500;

/** Faults that more than one topology has, and that are known by their name. */
export const drip = 'bytes drip';
export const ramp = 'latency rises to 1.5 s and falls again';
export const rampTime = 2500;

/** How old a near cache may be, by docs/near-cache.md: as long as it takes to find that a connection is dead. The timer is at most so late. */
export const nearStaleness = timeout + Math.min(1000, timeout) + 100;

/** A Redis of some shape, and what can go wrong with it. */
export interface TopologyKind {
  readonly title: string;
  /** The faults it can do, by name. */
  readonly faults: readonly string[];
  start(random: Random): Promise<Topology>;
}

/** One that is running. Its processes, proxies and timers are the specs' own. */
export interface Topology {
  /** The stores that are put under load, all at once in one process, anew for each run. `face` is `'store'` unless told otherwise. */
  readonly stores: readonly StoreUnderLoad[];
  /** Begins a fault, drawing what is open about it. */
  inject(fault: string, random: Random): Promise<void>;
  /** Ends every fault: resolves when the servers are there again (of a failover: when a replica has been promoted). */
  heal(): Promise<void>;
  /** Resolves when every node is in its place again, for the next fault. */
  whole?(): Promise<void>;
  /** Resolves when no store is connected any more to a node that was left behind and would still take writes, to lose them. */
  left?(): Promise<void>;
  /** Connections that were accepted so far. */
  readonly accepted?: number;
  /** The stores are disconnected. */
  released?(): void;
  stop(): Promise<void>;
  /**
   * Faults after which what Redis had acknowledged may be undone, so that an older value comes back: failover to a replica
   * that was behind. Losing everything is no such fault, for then there is nothing older. Default: none.
   */
  readonly rollsBack?: readonly string[];
  /** What a fault does to the order of requests. */
  order(fault: string): Order;
}

export interface StoreUnderLoad {
  readonly title: string;
  readonly face?: 'store' | 'keyv';
  /** It reads from replicas, which are behind: what it reads was written once, and that is all there is to check. */
  readonly behind?: boolean;
  /** How old an answer may be that it gives without asking Redis, in milliseconds. Default: 0. */
  readonly staleness?: number;
  /** Its calls reach Redis in their order, for they use one connection at a time. Default: true. */
  readonly ordered?: boolean;
  /** Where it is and how it connects; prefix, timeout and failure policy are the runner's. */
  readonly options: StoreOptions;
}
