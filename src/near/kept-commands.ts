import { inOrder, type OrderedCommands } from '../commands/in-order.js';
import { nullCommands } from '../commands/null.js';
import { holdsValue } from './commands.js';
import { given } from './kept.js';
import type { NearTier } from './tier.js';

/** Reads that find what the process keeps and ask nobody for the rest, which is as good as missing. Writes do nothing. */
export function keptCommands(tier: NearTier): OrderedCommands {
  const get = async (key: string) => {
    const kept = tier.find(key);
    return holdsValue(kept) ? kept.stored && given(kept.stored) : null;
  };
  const has = async (key: string) => (tier.find(key)?.stored ?? null) !== null;
  return {
    ...inOrder(nullCommands()),
    get,
    has,
    getMany: (keys) => Promise.all(keys.map(get)),
    hasMany: (keys) => Promise.all(keys.map(has)),
  };
}
