import { createCodecs } from './codec/codec.js';
import { batching } from './commands/batching.js';
import { closable } from './commands/closable.js';
import type { Commands } from './commands/commands.js';
import { inOrder } from './commands/in-order.js';
import { memoryCommands } from './commands/memory.js';
import { redisCommands } from './commands/redis.js';
import { ClientConnection, type OnError } from './connection/client.js';
import type { Connection } from './connection/connection.js';
import { DirectConnection } from './connection/direct.js';
import { guard } from './connection/guard.js';
import type { Pool } from './connection/pool.js';
import { SharedConnection } from './connection/pools.js';
import { expected, OptionError } from './errors.js';
import { Events } from './events.js';
import { customKeySpace, type KeySpace, keySpace } from './keys/keyspace.js';
import { plainKeys } from './keys/plain-keys.js';
import { type Link, localLink, remoteLink } from './link.js';
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
  const settings = face === 'keyv' ? parseOptions(options, ['namespace', 'useKeyPrefix'], 'keyv') : parseOptions(options);
  const { prefix, version, onFailure, isCacheable } = settings;
  const { hashLongKeys, keyFunction, parseKey, keyPattern } = face === 'store' ? literalPrefix(options) : options;
  const codecs = createCodecs(options);
  const ttl = ttlPolicy(options);
  const events = new Events();

  const separator = face === 'keyv' ? '::' : ':';
  const keysOf = (ofVersion: string | undefined): KeySpace => keySpace({ prefix, version: ofVersion, hashLongKeys, separator });
  const keys = keyFunction ? customKeySpace((key) => keyFunction(key, prefix, version), parseKey, keyPattern) : keysOf(version);

  const { commands, link } =
    commandsOf || settings.target.kind === 'memory'
      ? local(commandsOf?.() ?? memoryCommands(options.max))
      : remote(settings, options.batch, (error) => events.emit('error', error));

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
    link,
    namespace: (name) => keySpace({ prefix: name, version, hashLongKeys, separator }),
  };
}

/** redis-yet writes its `keyPrefix` to the letter; where ours would not, its data has to be found all the same. */
function literalPrefix(options: StoreOptions): Pick<StoreOptions, 'hashLongKeys' | 'keyFunction' | 'parseKey' | 'keyPattern'> {
  const { keyPrefix, version, hashLongKeys, keyFunction } = options;
  if (keyPrefix === undefined || keyFunction !== undefined || !/[:%@#]/.test(keyPrefix)) return options;
  if (version === undefined && !hashLongKeys) return plainKeys(keyPrefix);
  const beside = version === undefined ? 'hashLongKeys' : 'version';
  throw new OptionError(
    expected('keyPrefix', `without \`:\`, \`%\`, \`@\` and \`#\` beside \`${beside}\`, or \`prefix\` instead`, keyPrefix),
  );
}

type Engine = Pick<ScopeParts, 'commands'> & Pick<Composition, 'link'>;

function remote(settings: Settings, batch: StoreOptions['batch'], onError: OnError): Engine {
  const pool = openPool(settings, onError);
  const commands = inOrder(batch === false ? redisCommands(pool) : batching(redisCommands(pool), batch));
  return { commands, link: remoteLink(pool, commands, settings.timeout) };
}

function local(engine: Commands): Engine {
  const { commands: verbs, ...state } = closable(engine);
  const commands = inOrder(verbs);
  return { commands, link: localLink(state, commands) };
}

/**
 * A pool of its own, for stores that shall share one: `redisStore({ pool })`. Whoever made it closes it, with
 * `pool.close(grace)`. Connects on first use. Failures show in the stores' own `error` events, as failed operations.
 *
 * @throws {OptionError} for an option that cannot be understood, `memory:` included, which has no connections to pool
 */
export function createPool(options: ConnectionOptions = {}): Pool {
  const settings = parseOptions(options);
  if (settings.target.kind === 'memory') throw new OptionError(expected('location', 'a Redis server', options.location));
  return openPool(settings, () => {});
}

function openPool({ target, pool, parser, timeout }: Settings, onError: OnError): Pool {
  if (pool && 'use' in pool) return guard(pool, timeout, false);
  const open = (): Connection => {
    if (target.kind === 'client') return ClientConnection.over(target.client, onError);
    if (parser && target.kind === 'server') return new DirectConnection(target.options, parser, onError);
    return ClientConnection.open(target.kind === 'server' ? target.options : {}, onError);
  };
  return guard(pool ? new pool.class(open, pool.kwargs) : new SharedConnection(open), timeout);
}
