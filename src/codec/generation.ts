import { randomBytes } from 'node:crypto';
import type { TagGenerations } from './entry.js';

/**
 * What the key of a tag holds: its generation, an id, and after `expireTags` the id before it:
 *
 *     ID            entries that carry it are valid
 *     ID "." ID     those that carry the second are stale
 */
const separator = '.';

/** 96 random bits: no two are ever the same. */
export function newId(): string {
  return randomBytes(12).toString('base64url');
}

/** The id that new entries carry. */
export function idIn(content: string): string {
  const end = content.indexOf(separator);
  return end < 0 ? content : content.slice(0, end);
}

/** Longer text is no generation of ours. */
export const maxGenerationLength = 64;

/** Whether the key of a tag holds what is ours. */
export function isGeneration(content: string): boolean {
  return content.length <= maxGenerationLength && /^[\w-]+(\.[\w-]+)?$/.test(content);
}

/** What the key of a tag holds once its entries have expired: `id` for new ones. */
export function expiredBy(id: string, content: string): string {
  return id + separator + idIn(content);
}

/** What an entry is that carries this id of a tag: `invalid` if the tag was invalidated. */
export type Validity = 'valid' | 'stale' | 'invalid';

export function validityOf(id: string, content: string | undefined): Validity {
  if (content === undefined) return 'invalid';
  if (content === id || idIn(content) === id) return 'valid';
  return content.endsWith(separator + id) ? 'stale' : 'invalid';
}

/** The worst validity of the tags. `now`: what the key of each holds. */
export function validityAmong(tags: TagGenerations, now: TagGenerations): Validity {
  let worst: Validity = 'valid';
  for (const [name, id] of tags) {
    const validity = validityOf(id, now.get(name));
    if (validity === 'invalid') return 'invalid';
    if (validity === 'stale') worst = 'stale';
  }
  return worst;
}

/** Whether all of the tags are valid. */
export function isCurrent(tags: TagGenerations, now: TagGenerations): boolean {
  return validityAmong(tags, now) === 'valid';
}
