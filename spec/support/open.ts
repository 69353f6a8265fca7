import { randomUUID } from 'node:crypto';
import { type CacheError, type RedisStore, redisStore, type StoreOptions } from '../../src/index.js';
import { sharedServer } from './hooks.js';

const opened: { disconnect(): Promise<void> }[] = [];

/** A store on the shared server, under a prefix of its own unless told otherwise, with the errors it emits. Closed after each spec by {@link closeOpened}. */
export function openStore(options: StoreOptions = {}): RedisStore & { errors: CacheError[] } {
  const where =
    'client' in options || 'cluster' in options || 'sentinel' in options || 'socket' in options || 'pool' in options || 'url' in options
      ? {}
      : { location: sharedServer().location };
  const prefix = 'keyPrefix' in options || 'keyFunction' in options ? {} : { prefix: randomUUID() };
  const errors: CacheError[] = [];
  const store = redisStore({ ...where, ...prefix, ...options });
  store.on('error', (error) => errors.push(error));
  return closing(Object.assign(store, { errors }));
}

/** Something to be disconnected after the spec. */
export function closing<T extends { disconnect(): Promise<void> }>(thing: T): T {
  opened.push(thing);
  return thing;
}

export async function closeOpened(): Promise<void> {
  await Promise.all(opened.splice(0).map((thing) => thing.disconnect()));
}

/** What the promise rejects with; fails where it does not reject. */
export async function rejection<E = CacheError>(promise: Promise<unknown>): Promise<E> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as E;
  }
  throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
}
