import calculateSlot from 'cluster-key-slot';
import { hashTag } from '../keys/hash-tag.js';
import type { Argument, Connection, Reply } from './connection.js';

export const slotCount = 16_384;

/** The slot of a key. */
export function slotOf(key: Argument): number {
  const tag = hashTag(key);
  // The package goes on to the next braces if the first are empty. Redis does not.
  return tag === key && key.includes('{}') ? crc16(Buffer.from(key as string)) % slotCount : calculateSlot(tag);
}

/** CRC16 of the XMODEM kind, bit by bit, for the few keys that need it. */
function crc16(bytes: Buffer): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

function grouped<T>(items: Iterable<T>, groupOf: (item: T) => number): T[][] {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const name = groupOf(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return [...groups.values()];
}

export const bySlot = <T>(items: readonly T[], keyOf: (item: T) => Argument): readonly (readonly T[])[] =>
  grouped(items, (item) => slotOf(keyOf(item)));

/** A range of slots and the nodes that serve it, as `host:port`. */
export interface SlotRange {
  readonly from: number;
  readonly to: number;
  readonly primary: string;
  readonly replicas: readonly string[];
}

/** The primaries of the slots, as text to compare. */
export function primariesOf(ranges: readonly SlotRange[]): string {
  const lines = ranges.map(({ from, to, primary }) => `${from}-${to} ${primary}`);
  return lines.sort().join();
}

/** Which primary serves which slots; `undefined` if nodes disagree, or a slot moves, whose new keys its old node does not announce. */
export async function agreedSlots(nodes: readonly Connection[]): Promise<string | undefined> {
  const tables = await Promise.all(nodes.map(async (node) => slotTable(String(await node.send(['CLUSTER', 'NODES'])))));
  return tables.every((table) => table === tables[0]) ? tables[0] : undefined;
}

/** Parses lines of `id address flags primary ping pong epoch link slots …`. */
function slotTable(lines: string): string | undefined {
  if (lines.includes(' [')) return undefined;
  const nodes = lines.split('\n').map((line) => line.trimEnd().split(' '));
  const serving = nodes.filter((fields) => fields.length > 8);
  return serving
    .map(([id, , , , , , , , ...slots]) => `${id} ${slots.join(' ')}`)
    .sort()
    .join('\n');
}

/** Splits a command whose arguments are all keys, sends the parts together, and joins the replies: lists in order, counts as a sum. */
export async function splitByNode(
  [command, ...keys]: readonly Argument[],
  partOf: (key: Argument, index: number) => number,
  send: (args: readonly Argument[]) => Promise<Reply>,
): Promise<Reply> {
  const positions = grouped(keys.keys(), (i) => partOf(keys[i] as Argument, i));
  const replies = await Promise.all(positions.map((part) => send([command as Argument, ...part.map((i) => keys[i] as Argument)])));
  if (!Array.isArray(replies[0])) return replies.reduce<number>((sum, count) => sum + Number(count), 0);
  const whole = new Array<Reply>(keys.length);
  for (const [p, part] of positions.entries()) for (const [j, i] of part.entries()) whole[i] = (replies[p] as Reply[])[j] as Reply;
  return whole;
}

/** A `partOf` of {@link splitByNode} that sends each key in a command of its own. */
export const keyByKey = (_key: Argument, index: number): number => index;
