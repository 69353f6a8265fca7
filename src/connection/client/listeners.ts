import type { ExternalClient } from '../target.js';

type Listeners = Readonly<Record<string, (...args: never[]) => void>>;

/** Adds each listener to the event it is named by. Many stores on one client are no leak: Node is not to warn of one. */
export function addListeners(client: ExternalClient, listeners: Listeners): void {
  moreListeners(client, 1);
  for (const [event, listener] of Object.entries(listeners)) client.on(event, listener as () => void);
}

/**
 * Removes what was added by {@link addListeners}. If the client has no others, one that does nothing stays. A client of node-redis inherits
 * from the emitter that it emits from. With the last listener Node would give the client a list of its own, and no event would reach what is
 * added later.
 */
export function removeListeners(client: ExternalClient, listeners: Listeners): void {
  const all = client.eventNames().reduce((sum, event) => sum + client.listenerCount(event), 0);
  if (all <= Object.keys(listeners).length) client.on('ready', () => {});
  for (const [event, listener] of Object.entries(listeners)) client.off(event, listener as () => void);
  moreListeners(client, -1);
}

/** 0 stands for any number of listeners. */
function moreListeners(client: ExternalClient, more: number): void {
  const max = client.getMaxListeners();
  if (max > 0) client.setMaxListeners(max + more);
}
