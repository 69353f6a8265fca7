import calculateSlot from 'cluster-key-slot';
import type { Argument, Connection, Reply } from './connection.js';

/** Redis Cluster divides the keys into this many slots. */
export const slotCount = 16_384;

/**
 * The slot of a key. For a key whose first braces are empty, `{}`, the package and Redis do not agree; then Redis answers MOVED
 * or CROSSSLOT, and the connection follows.
 */
export const slotOf: (key: Argument) => number = calculateSlot;

/** The keys, those of one slot together. */
export function bySlot(keys: readonly string[]): Iterable<readonly string[]> {
  const slots = new Map<number, string[]>();
  for (const key of keys) {
    const slot = slotOf(key);
    const mates = slots.get(slot);
    if (mates) mates.push(key);
    else slots.set(slot, [key]);
  }
  return slots.values();
}

/** Some slots with the nodes that serve them, as `host:port`; the host is empty where the node does not know its own. */
export interface SlotRange {
  readonly from: number;
  readonly to: number;
  readonly primary: string;
  readonly replicas: readonly string[];
}

/** What CLUSTER SLOTS says. */
export function slotRanges(reply: Reply): SlotRange[] {
  return (reply as [number, number, ...[Buffer | string | null, number][]][]).map(([from, to, ...nodes]) => {
    const [primary, ...replicas] = nodes.map(([host, port]) => `${host === null || String(host) === '?' ? '' : host}:${port}`);
    return { from: Number(from), to: Number(to), primary: primary as string, replicas };
  });
}

/**
 * Which primary serves which slots, where all nodes that are asked say the same and no slot is on its way: `undefined` where
 * not. While a slot moves, what is created of it is created at its new node, and its old one tells nobody.
 */
export async function agreedSlots(nodes: readonly Connection[]): Promise<string | undefined> {
  const tables = await Promise.all(nodes.map(async (node) => slotTable(String(await node.send(['CLUSTER', 'NODES'])))));
  return tables.every((table) => table === tables[0]) ? tables[0] : undefined;
}

/** From lines of `id address flags primary ping pong epoch link slots …`. */
function slotTable(lines: string): string | undefined {
  if (lines.includes(' [')) return undefined;
  const nodes = lines.split('\n').map((line) => line.trimEnd().split(' '));
  const serving = nodes.filter((fields) => fields.length > 8);
  return serving
    .map(([id, , , , , , , , ...slots]) => `${id} ${slots.join(' ')}`)
    .sort()
    .join('\n');
}

export interface Redirection {
  readonly kind: 'MOVED' | 'ASK';
  readonly slot: number;
  /** As `host:port`; without a host it is that of the node which answered. */
  readonly address: string;
}

/** Where `MOVED 3999 127.0.0.1:6381` sends the command. */
export function redirection(error: unknown): Redirection | undefined {
  const match = /^(MOVED|ASK) (\d+) (\S+)/.exec(String(((error as Error).cause as Error | undefined)?.message));
  return match ? { kind: match[1] as 'MOVED' | 'ASK', slot: Number(match[2]), address: match[3] as string } : undefined;
}

/** The host and the port of `host:port`; the host may hold colons. An empty host is `fallback`. */
export function hostAndPort(address: string, fallback = 'localhost'): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon) || fallback, port: Number(address.slice(colon + 1)) };
}
