import { randomUUID } from 'node:crypto';
import { type CacheError, type RedisStore, redisStore, type StoreOptions } from '../../src/index.js';
import { sharedServer } from './hooks.js';
import { until } from './until.js';

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

/** Something to be stopped after the spec. */
export function stopping<T extends { stop(): Promise<unknown> }>(thing: T): T {
  opened.push({ disconnect: async () => void (await thing.stop()) });
  return thing;
}

export async function closeOpened(): Promise<void> {
  await Promise.all(opened.splice(0).map((thing) => thing.disconnect()));
}

/** Waits until it is connected, however short its timeout is and however busy the machine. */
export async function untilReady(store: { ready(): Promise<void> }): Promise<void> {
  await until(() =>
    store.ready().then(
      () => true,
      () => false,
    ),
  );
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
