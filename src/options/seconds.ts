import { warn } from '../messages.js';
import type { StoreOptions } from './options.js';

const second = 1000;
let warned = false;

/**
 * Warns, once in a process, of times to live that look like seconds: whole numbers below 1000, and none of the others above. Seconds are what
 * cache-manager 4 and many clients take. Text such as `'60s'` is never in doubt.
 */
export function warnOfSeconds({ ttl, maxTtl, near, offline }: StoreOptions): void {
  if (warned) return;
  const times = [ttl, maxTtl, ...[near, offline].map((tier) => (typeof tier === 'object' ? tier?.ttl : undefined))];
  const numbers = times.filter((time) => typeof time === 'number' && time > 0);
  const looksLikeSeconds = (time: unknown): boolean => Number.isInteger(time) && Number(time) > 0 && Number(time) < second;
  if (!looksLikeSeconds(ttl) || !numbers.every(looksLikeSeconds)) return;
  warned = true;
  warn(`\`ttl: ${ttl}\` is ${ttl} milliseconds. If seconds are meant, write '${ttl}s'; if not, '${ttl}ms' says so`, 'REDIS_TIER_SECONDS');
}
