import { Random } from '../support/chaos/random.js';

/** What `npm run test:chaos` and `npm run test:soak` were told: see scripts/chaos.mjs. */
export const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

export const minutesOr = (otherwise: number): number => Number(process.env['CHAOS_MINUTES'] ?? otherwise);

/** A source for one spec: whichever specs run beside it, it draws the same. */
export function randomFor(title: string): Random {
  let hash = seed >>> 0;
  for (const character of title) hash = Math.imul(hash ^ (character.codePointAt(0) as number), 0x01000193) >>> 0;
  return new Random(hash);
}
