import { createHash } from 'node:crypto';
import type { Stored } from './entry.js';

/** SHA-1 in hexadecimal, as `redis.sha1hex` of Lua: tells in a script whether a key holds what was read. */
export function digestOf(bytes: Stored): string {
  return createHash('sha1').update(bytes).digest('hex');
}
