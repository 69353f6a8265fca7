import { kindOf } from '../connection/given.js';
import type { GivenClient } from '../connection/target.js';
import { OptionError, shown } from '../errors.js';
import type { StoreOptions } from '../options.js';

/** What the ways in take first: a location, a client of node-redis, or options. */
export type Connect<Options> = string | GivenClient | Options;

/**
 * The two arguments of a way in as one options object: `(url, options)`, `(client, options)`, `(options)`. Options of node-redis's
 * `createCluster` and `createSentinel` may come first too, as `@keyv/redis` takes them.
 *
 * @throws {OptionError} for anything else, by its name: it is never read as options
 */
export function optionsOf<Options extends StoreOptions>(name: string, connect: unknown, more: unknown): Options {
  const first = connectOptions(name, connect);
  if (more === undefined) return first as unknown as Options;
  if (!isPlainObject(more)) {
    throw new OptionError(`expected the second argument of \`${name}\` to be an options object, got ${described(more)}`);
  }
  // An explicit `undefined` counts as left out.
  const second = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
  const twice = Object.keys(second).filter((each) => first[each] !== undefined && first[each] !== second[each]);
  if (twice.length > 0) throw new OptionError(`${name} got ${twice.map((each) => `\`${each}\``).join(', ')} in both of its arguments`);
  return { ...first, ...second } as unknown as Options;
}

function connectOptions(name: string, connect: unknown): Record<string, unknown> {
  if (connect === undefined) return {};
  if (typeof connect === 'string') return { location: connect };
  if (kindOf(connect as GivenClient) !== undefined) return { client: connect };
  if (isPlainObject(connect)) {
    if ('rootNodes' in connect) return { cluster: connect };
    return 'sentinelRootNodes' in connect ? { sentinel: connect } : connect;
  }
  throw new OptionError(
    `expected \`${name}\` to be given a location, a client of node-redis or an options object, got ${described(connect)}`,
  );
}

/** Also an object of another realm, such as a test runner's, and one without a prototype. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What something is that is no options object, and what to do about it. */
export function described(thing: unknown): string {
  if (typeof thing !== 'object' || thing === null) return `\`${shown(thing)}\``;
  const has = (method: string): boolean => typeof (thing as Record<string, unknown>)[method] === 'function';
  if (has('then')) return 'a promise: await it first';
  if (has('defineCommand') && has('duplicate')) {
    return 'an ioredis client: pass a location, or a client that `createClient` of the package `redis` made';
  }
  if (has('sendCommand') && has('connect')) return 'a client of node-redis 4 or earlier: install `redis@5` or later';
  const { name } = (thing as object).constructor ?? {};
  return Array.isArray(thing) ? 'an array' : `an instance of ${name || 'a class'}`;
}
