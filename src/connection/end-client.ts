import type { GivenClient } from './target.js';

/**
 * Destroys a client of our own for good. node-redis forgets a socket that is still on its way, and would hold it for ever once it
 * is connected; and the end of its last attempt to connect may still be reported, which with no listener would be a crash.
 */
export function endClient(client: Pick<GivenClient, 'on' | 'destroy'>): void {
  client.on('error', () => {});
  client.on('connect', () => client.destroy());
  client.destroy();
}
