import type { Argument, Reply, Route } from '../connection/connection.js';

/**
 * RENAME for two keys that are on different nodes of a cluster: DUMP and PTTL, RESTORE, UNLINK. Not atomic: for a moment
 * the entry is under both keys, and what is written to the old one meanwhile is lost with it. @returns whether there was one
 */
export async function carry(send: (args: readonly Argument[], route: Route) => Promise<Reply>, from: string, to: string): Promise<boolean> {
  const [dump, ttl] = await Promise.all([send(['DUMP', from], { key: from }), send(['PTTL', from], { key: from })]);
  // It may expire between the two.
  if (dump === null || Number(ttl) === -2) return false;
  await send(['RESTORE', to, String(Math.max(0, Number(ttl))), dump as Buffer, 'REPLACE'], { key: to });
  await send(['UNLINK', from], { key: from });
  return true;
}
