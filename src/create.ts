import { createCodecs } from './codec/codec.js';
import type { Commands } from './commands/commands.js';
import { memoryCommands } from './commands/memory.js';
import { redisCommands } from './commands/redis.js';
import { ClientConnection, type OnError } from './connection/client.js';
import { guard } from './connection/guard.js';
import type { Pool } from './connection/pool.js';
import { SharedConnection } from './connection/pools.js';
import { Events } from './events.js';
import { customKeySpace, type KeySpace, keySpace } from './keys/keyspace.js';
import { Link } from './link.js';
import { type ConnectionOptions, parseOptions, type Settings, type StoreOptions } from './options.js';
import type { ScopeParts } from './scope.js';
import { ttlPolicy } from './ttl.js';

/** A store taken apart: what its methods need, and its connection. */
export interface Composition {
  readonly parts: ScopeParts;
  readonly link: Link;
  /** The key space of a Keyv namespace. */
  readonly namespace: (name: string) => KeySpace;
}

/** The composition root: the way through the house, on one page. */
export function compose(options: StoreOptions, face: 'store' | 'keyv', commandsOf?: () => Commands): Composition {
  const settings = parseOptions(options, face === 'keyv' ? ['namespace', 'useKeyPrefix'] : []);
  const { prefix, version, onFailure, isCacheable } = settings;
  const { hashLongKeys, keyFunction, parseKey, keyPattern } = options;
  const codecs = createCodecs(options);
  const ttl = ttlPolicy(options);
  const events = new Events();

  const separator = face === 'keyv' ? '::' : ':';
  const keysOf = (ofVersion: string | undefined): KeySpace => keySpace({ prefix, version: ofVersion, hashLongKeys, separator });
  const keys = keyFunction ? customKeySpace((key) => keyFunction(key, prefix, version), parseKey, keyPattern) : keysOf(version);

  const pool = commandsOf || settings.target.kind === 'memory' ? undefined : openPool(settings, (error) => events.emit('error', error));
  const commands = commandsOf?.() ?? (pool ? redisCommands(pool) : memoryCommands(options.max));

  return {
    parts: {
      keys,
      ttl,
      codec: face === 'keyv' ? codecs.raw : codecs.values,
      commands,
      events,
      onFailure,
      isCacheable,
      prefix,
      version,
      keysOf: keyFunction ? undefined : keysOf,
      reversible: !keyFunction || parseKey !== undefined,
    },
    link: new Link(commands, pool, settings.timeout),
    namespace: (name) => keySpace({ prefix: name, version, hashLongKeys, separator }),
  };
}

/**
 * A pool of its own, for stores that shall share one: `redisStore({ pool })`. Whoever made it closes it, with
 * `pool.close(grace)`. Connects on first use.
 */
export function createPool(options: ConnectionOptions = {}): Pool {
  return openPool(parseOptions(options), () => {});
}

function openPool({ target, pool, timeout }: Settings, onError: OnError): Pool {
  if (pool && 'use' in pool) return guard(pool, timeout, false);
  const open = (): ClientConnection => {
    if (target.kind === 'client') return ClientConnection.over(target.client, onError);
    return ClientConnection.open(target.kind === 'server' ? target.options : {}, onError);
  };
  return guard(pool ? new pool.class(open, pool.kwargs) : new SharedConnection(open), timeout);
}
