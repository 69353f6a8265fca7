import { CommandError, ConnectionError, UnavailableError } from '../../errors.js';
import { firstAnswer, waitAtMost } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import type { Connection } from '../connection.js';
import type { SlotRange } from '../slots.js';

/** How long to wait for other nodes after the first answer: they learn of a change one after the other. */
const gracePeriod: Milliseconds = 50;

/** What one node says about the cluster. */
export interface ClusterView {
  /** Grows with each failover and each move of slots. */
  readonly epoch: number;
  /** Whether the node sees most of the cluster. One that was cut off or has left goes on telling what it knew. */
  readonly isWell: boolean;
  readonly ranges: readonly SlotRange[];
}

/** Asks a node about the cluster, with CLUSTER SLOTS and CLUSTER INFO. `host`: that of the node, for addresses without one. */
export async function askView(node: Connection, host: string): Promise<ClusterView> {
  const [slots, info] = await Promise.all([
    node.send(['CLUSTER', 'SLOTS']) as Promise<[number, number, ...[Buffer | string | null, number][]][]>,
    node.send(['CLUSTER', 'INFO']).then(String, presumedWell),
  ]);
  if (slots.length === 0) throw new ConnectionError('no node of the cluster serves any slot');
  const ranges = slots.map(([from, to, ...nodes]) => {
    const [primary, ...replicas] = nodes.map(
      ([name, port]) => `${name === null || ['', '?'].includes(String(name)) ? host : name}:${port}`,
    );
    return { from: Number(from), to: Number(to), primary: primary as string, replicas };
  });
  return {
    epoch: Number(/cluster_current_epoch:(\d+)/.exec(info)?.[1] ?? 0),
    isWell: info.includes('cluster_state:ok'),
    ranges,
  };
}

/** A node that may not be asked, or a proxy that does not know the command, counts as healthy. */
function presumedWell(error: unknown): string {
  if (error instanceof CommandError && !(error instanceof UnavailableError)) return 'cluster_state:ok';
  throw error;
}

/**
 * The table of the newest epoch, of the nodes that are well and answer about as fast as the first of them. Rejects if none does within
 * `time`. `orUnwell`: then the table of a node that is not well.
 */
export async function newestTable(
  asked: readonly Promise<ClusterView>[],
  time: Milliseconds,
  orUnwell = false,
): Promise<readonly SlotRange[]> {
  const views: ClusterView[] = [];
  const each = asked.map(async (asking) => {
    const view = await asking;
    views.push(view);
    if (!view.isWell) throw new UnavailableError('the node is cut off from the cluster, or has left it');
  });
  try {
    await firstAnswer(each, time);
    await waitAtMost(Promise.allSettled(each), gracePeriod);
  } catch (error) {
    if (!orUnwell || views.length === 0) throw error;
  }
  const well = views.filter(({ isWell }) => isWell);
  return (well.length > 0 ? well : views).reduce((newest, view) => (view.epoch > newest.epoch ? view : newest)).ranges;
}
