import { createClient, RedisClient } from '@redis/client';
import type { ClientOptions } from './target.js';

type Made = ReturnType<typeof createClient>;

const makers = new Map<ClientOptions['RESP'], (options: object) => unknown>();

/**
 * A node-redis client. For every client whose options are not those of the one before, node-redis makes a class with all of its
 * commands anew, tens of milliseconds in which the process does nothing else. Here the class is kept, one for each protocol
 * version.
 */
export function makeClient(given: ClientOptions): Made {
  const options = withOwnLookup(given);
  const { RESP, modules, functions, scripts } = options;
  if (modules || functions || scripts) return createClient(options as object);
  let make = makers.get(RESP);
  if (!make) {
    make = RedisClient.factory(RESP === undefined ? {} : { RESP }) as (options: object) => unknown;
    makers.set(RESP, make);
  }
  return make(options) as Made;
}

/**
 * `maintNotifications` looks the host up by itself in every handshake, and does not ask `socket.lookup`: a host that only that
 * function knows could not be connected to.
 */
function withOwnLookup(options: ClientOptions): ClientOptions {
  const { lookup } = (options.socket ?? {}) as { lookup?: unknown };
  if (lookup === undefined || options.maintNotifications !== undefined) return options;
  return { ...options, maintNotifications: 'disabled' };
}
