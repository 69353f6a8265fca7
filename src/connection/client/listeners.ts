import type { ExternalClient } from '../target.js';

/**
 * Before listeners of ours are removed from a client of the application: if all of its listeners are ours, one that does nothing stays. A
 * client of node-redis inherits from the emitter that it emits from. With the last listener Node would give the client a list of its own,
 * and no event would reach what is added later. `count`: how many are ours.
 */
export function keepOneListener(client: ExternalClient, count: number): void {
  const all = client.eventNames().reduce((sum, event) => sum + client.listenerCount(event), 0);
  if (all <= count) client.on('ready', () => {});
}
