/** Whether everything runs, at full length: `npm run test:all`. `npm test` runs a part that takes about two minutes. */
export const isWholeMatrix = process.env['REDIS_TIER_MATRIX'] === 'whole';

/** How many of something a spec does: `some` by `npm test`, and `all` by `npm run test:all`. */
export function amount({ some, all }: { readonly some: number; readonly all: number }): number {
  return isWholeMatrix ? all : some;
}
