import type { Argument, Reply } from './connection.js';

/**
 * Sends a command whose arguments are all keys as several, one for each part that `partOf` tells apart, all at once, and puts
 * the answers together: lists in the order of the keys, counts as their sum.
 */
export async function divide(
  [command, ...keys]: readonly Argument[],
  partOf: (key: Argument, index: number) => number,
  send: (args: readonly Argument[]) => Promise<Reply>,
): Promise<Reply> {
  const parts = new Map<number, number[]>();
  for (const [i, key] of keys.entries()) {
    const part = partOf(key, i);
    const positions = parts.get(part);
    if (positions) positions.push(i);
    else parts.set(part, [i]);
  }
  const positions = [...parts.values()];
  const replies = await Promise.all(positions.map((part) => send([command as Argument, ...part.map((i) => keys[i] as Argument)])));
  if (!Array.isArray(replies[0])) return replies.reduce<number>((sum, count) => sum + Number(count), 0);
  const whole = new Array<Reply>(keys.length);
  for (const [p, part] of positions.entries()) for (const [j, i] of part.entries()) whole[i] = (replies[p] as Reply[])[j] as Reply;
  return whole;
}

/** Each key in a command of its own. */
export const apart = (_key: Argument, index: number): number => index;
