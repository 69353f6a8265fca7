import { createCodecs } from './codec/codec.js';
import { abortableCommands } from './commands/abortable.js';
import { batching } from './commands/batching.js';
import { closable } from './commands/closable.js';
import type { Commands } from './commands/commands.js';
import { inOrder, type OrderedCommands } from './commands/in-order.js';
import { memoryCommands } from './commands/memory.js';
import { redisCommands } from './commands/redis.js';
import { type OnKept, type ReplayingCommands, replaying } from './commands/replaying.js';
import type { BreakerState } from './connection/breaker.js';
import { ClientConnection, type OnError } from './connection/client.js';
import { ClusterConnection } from './connection/cluster.js';
import type { Connection } from './connection/connection.js';
import { tick } from './connection/deadlines.js';
import { DirectConnection } from './connection/direct.js';
import { GivenTopology, kindOf } from './connection/given.js';
import { type CallOptions, type GuardedPool, guard } from './connection/guard.js';
import type { Pool } from './connection/pool.js';
import { SharedConnection } from './connection/pools.js';
import { SentinelConnection } from './connection/sentinel.js';
import { bySlot } from './connection/slots.js';
import type { GivenClient, Target } from './connection/target.js';
import { ConnectionError, expected, OptionError, UnsupportedError } from './errors.js';
import { Events } from './events.js';
import { Background } from './extras/background.js';
import { SingleFlight } from './extras/single-flight.js';
import { customKeySpace, type KeySpace, keySpace, namedBy } from './keys/keyspace.js';
import { plainKeys } from './keys/plain-keys.js';
import { type Link, localLink, nearLink, remoteLink } from './link.js';
import { nearCommands } from './near/commands.js';
import { NearTier } from './near/tier.js';
import type { ConnectionOptions, StoreOptions } from './options.js';
import type { ScopeParts } from './scope.js';
import { parseOptions, parsePoolOptions, type Settings } from './settings/settings.js';
import { Counters } from './telemetry/counters.js';
import { countingOpenings } from './telemetry/stats.js';
import type { Source } from './telemetry/tracing.js';
import { type Milliseconds, ttlPolicy } from './ttl.js';

/** A store taken apart: what its methods need, and its connection. */
export interface Composition {
  readonly parts: ScopeParts;
  readonly link: Link;
  /** The key space of a Keyv namespace. */
  readonly namespace: (name: string) => KeySpace;
}

/** What the Keyv face has beyond a store. */
export interface KeyvExtras {
  readonly keyPrefixSeparator?: string | undefined;
}

/** The composition root: the way through the house, on one page. `texts`: which of them the Keyv face can hand on. */
export function compose(
  options: StoreOptions & KeyvExtras,
  face: 'store' | 'keyv',
  commandsOf?: () => Commands,
  texts?: { accepts(text: string): boolean },
): Composition {
  const settings = face === 'keyv' ? parseOptions(options, ['keyPrefixSeparator'], 'keyv') : parseOptions(options);
  const { prefix, version, onFailure, isCacheable, tagsOf, tagging } = settings;
  const { hashLongKeys, keyFunction, parseKey, keyPattern } = face === 'store' ? literalPrefix(options) : options;
  const codecs = createCodecs(options, texts && ((text) => texts.accepts(text)));
  const ttl = ttlPolicy(options);
  const events = new Events();
  const counters = new Counters();

  const separator = face === 'keyv' ? keyvSeparator(options) : ':';
  const keysOf = (ofVersion: string | undefined): KeySpace => keySpace({ prefix, version: ofVersion, hashLongKeys, separator });
  const keys = keyFunction ? customKeySpace((key) => keyFunction(key, prefix, version), parseKey, keyPattern) : keysOf(version);

  if (tagging.exact && !keys.tags) {
    throw new OptionError(expected(tagging.lazy ? 'lazyClear' : 'tags', 'left out beside `keyFunction` and a literal `keyPrefix`', true));
  }

  /** An adapter serves one namespace, which its first use decides. */
  let keysInUse = keys;
  const background = new Background();
  const { link, ...engine } =
    commandsOf || settings.target.kind === 'memory'
      ? local(commandsOf?.() ?? memoryCommands(options.max), background)
      : remote(
          settings,
          { ...options, invalidations: options.invalidations ?? standardInvalidations(face, onFailure) },
          events,
          counters,
          background,
          kept(face, events, counters, () => keysInUse),
        );

  return {
    parts: {
      keys,
      ttl,
      codec: face === 'keyv' ? codecs.raw : codecs.values,
      ...engine,
      timeout: settings.timeout,
      flights: new SingleFlight(),
      background,
      events,
      counters,
      source: sourceOf(face, settings),
      onFailure,
      strict: face === 'store',
      isCacheable,
      tagsOf,
      tagging,
      prefix,
      version,
      keysOf: keyFunction ? undefined : keysOf,
      reversible: !keyFunction || parseKey !== undefined,
    },
    link,
    namespace(name) {
      keysInUse = keySpace({ prefix: name, version, hashLongKeys, separator });
      return keysInUse;
    },
  };
}

/** Keyv has no place for a deletion that fails: it waits, unless failures are to be thrown. */
function standardInvalidations(face: Source['face'], onFailure: Settings['onFailure']): 'queue' | 'reject' {
  return face === 'keyv' && onFailure === 'miss' ? 'queue' : 'reject';
}

/** `#` begins the keys that stand beside entries; `%` and `@` are the marks of encoded prefixes and of versions. */
function keyvSeparator({ keyPrefixSeparator = '::' }: KeyvExtras): string {
  if (typeof keyPrefixSeparator === 'string' && keyPrefixSeparator.isWellFormed() && /^[^%@#]+$/.test(keyPrefixSeparator))
    return keyPrefixSeparator;
  throw new OptionError(expected('keyPrefixSeparator', 'a string that is not empty, without `%`, `@` and `#`', keyPrefixSeparator));
}

/** Which store this is, for those who watch several. No user and no password. */
function sourceOf(face: Source['face'], { prefix, target, pool }: Settings): Source {
  if (target.kind !== 'server' || (pool && 'use' in pool)) return { face, prefix };
  const { socket, database = 0 } = target.options;
  const { path, host = 'localhost', port = 6379 } = (socket ?? {}) as { path?: string; host?: string; port?: number };
  return path === undefined ? { face, prefix, address: host, port, database } : { face, prefix, address: path, database };
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

type Engine = Pick<ScopeParts, 'verbs' | 'within' | 'near' | 'failedAt' | 'reachable' | 'clearLater'> & Pick<Composition, 'link'>;

function remote(
  settings: Settings,
  { batch, invalidations }: StoreOptions,
  events: Events,
  counters: Counters,
  background: Background,
  onKept: OnKept,
): Engine {
  const countOpening = countingOpenings(counters);
  const told = {
    onError: (error: ConnectionError) => events.emit('error', error),
    onBreaker(state: BreakerState) {
      countOpening(state);
      events.emit('breaker', state);
    },
  };
  const near = settings.near && new NearTier(settings.near, settings.timeout);
  const sharesOne = settings.pool === undefined || ('class' in settings.pool && settings.pool.class === SharedConnection);
  const pool = openPool(settings, told, sharesOne ? near : undefined);
  const coalesced = (of: Pool): Commands =>
    batch === false ? redisCommands(of) : batching(redisCommands(of), batch, ...(severalNodes(settings.target) ? [bySlot] : []));
  const { timeout } = settings;
  const shared = coalesced(pool);
  const queue = invalidations === 'queue' ? replaying(shared, onKept) : undefined;
  const commands = inOrder(queue ?? shared, { timeout });
  const bounded = (of: GuardedPool, bounds: CallOptions): Commands => {
    const alone = redisCommands(of.within(bounds));
    return queue ? queue.over(alone) : alone;
  };
  const within = (bounds: CallOptions): OrderedCommands => inOrder(bounded(pool, bounds), { timeout, ...bounds });
  const plain: Engine = {
    failedAt: () => pool.failedAt,
    reachable: () => pool.status !== 'reconnecting',
    verbs: (tracer) => tracer(commands),
    link: remoteLink(pool, commands, timeout, background, queue && lastReplay(queue, events)),
    within: (bounds) => (tracer) => tracer(within(bounds)),
    clearLater: queue?.clearLater,
  };
  if (!near) return plain;

  /** The tier in front of the verbs, filled over the pool that tracks. */
  const behind = (source: OrderedCommands, reads: GuardedPool, nearer: Link): Engine => ({
    ...plain,
    failedAt: () => Math.max(pool.failedAt, reads.failedAt, near.silentSince),
    verbs: (tracer) => nearCommands(tracer(commands), near, tracer(source), queue?.waits),
    link: nearer,
    within: (bounds) => (tracer) => nearCommands(tracer(within(bounds)), near, tracer(bounded(reads, bounds)), queue?.waits),
    near,
  });
  if (sharesOne) return behind(commands, pool, nearLink(plain.link, near));
  // Pushes come in order with the replies of one connection only: beside a pool, what is kept is read over one of its own.
  if (settings.pool && 'use' in settings.pool) {
    near.refused(new UnsupportedError('a pool of your own does not say which of its connections read what'));
    return plain;
  }
  const aside = openPool({ ...settings, pool: undefined }, { onError: told.onError }, near);
  return behind(
    inOrder(queue ? queue.over(coalesced(aside)) : coalesced(aside), { timeout }),
    aside,
    nearLink(plain.link, near, aside, timeout),
  );
}

/** Emits and counts a failure for deletions that wait: their callers are not told. `keys`: those that the store has by then. */
function kept(face: Source['face'], events: Events, counters: Counters, keys: () => KeySpace): OnKept {
  const operationOf = (wires: readonly string[]): string => {
    if (wires.every((wire) => keys().isAside?.(wire))) return 'invalidateTags';
    if (face === 'keyv') return wires.length === 1 ? 'delete' : 'deleteMany';
    return wires.length === 1 ? 'del' : 'mdel';
  };
  return (error, what, refused) => {
    const several = what !== 'clear' && what.length !== 1;
    const which = what === 'clear' ? 'the clear' : `the deletion of ${what.length} ${several ? 'keys' : 'key'}`;
    const when = refused ? 'is refused by Redis and tried again' : 'waits until Redis is back';
    const told = new ConnectionError(`${which} ${when}: ${error.message}`, { cause: error });
    told.operation = what === 'clear' ? 'clear' : operationOf(what);
    const key = what === 'clear' || several || told.operation === 'invalidateTags' ? undefined : namedBy(keys(), what[0] as string);
    if (key !== undefined) told.key = key;
    counters.failed(error);
    events.emit('error', told);
  };
}

/** Gives deletions that wait a last attempt when the store is closed. */
function lastReplay(queue: ReplayingCommands, events: Events): () => Promise<void> {
  return async () => {
    await queue.replay();
    const lost = queue.stop();
    const what = lost === 1 ? '1 deletion that waited for Redis was' : `${lost} deletions that waited for Redis were`;
    if (lost > 0) events.emit('error', new ConnectionError(`${what} never sent`));
  };
}

function local(engine: Commands, background: Background): Engine {
  const { commands: inside, ...state } = closable(engine);
  const commands = inOrder(inside);
  return {
    verbs: (tracer) => tracer(commands),
    link: localLink(state, commands, background),
    within: (bounds) => {
      const bounded = inOrder(bounds.signal ? abortableCommands(inside, bounds.signal) : inside, bounds);
      return (tracer) => tracer(bounded);
    },
  };
}

/**
 * A pool of its own, for stores that shall share one: `redisStore({ pool })`. Whoever made it closes it, with
 * `pool.close(grace)`. Connects on first use. Failures show in the stores' own `error` events, as failed operations.
 *
 * @throws {OptionError} for an option that cannot be understood, for one that is none of the connection's (`prefix`, `ttl` …), and for
 * `memory:`, which has no connections to pool
 */
export function createPool(options: ConnectionOptions = {}): Pool {
  const settings = parsePoolOptions(options);
  if (settings.target.kind === 'memory') throw new OptionError(expected('location', 'a Redis server', options.location));
  return openPool(settings, { onError: () => {} });
}

/** Whom the connections tell. */
interface Told {
  readonly onError: OnError;
  readonly onBreaker?: (state: BreakerState) => void;
}

/** `near`: told of the connections, for what is read over them to be kept true. */
function openPool(settings: Settings, { onError, onBreaker }: Told, near?: NearTier): GuardedPool {
  const { target, pool, parser, timeout, breaker, maxPending } = settings;
  const bounds = {
    timeout,
    breaker: target.kind === 'cluster' ? ofCluster(breaker) : breaker,
    maxPending,
    ...(onBreaker ? { onBreaker } : {}),
  };
  // A deadline of milliseconds is the caller's haste, no sign that the connection is dead. And calls end by their deadline before
  // their connection is given up, so that a frozen server shows as one code and not as either of two.
  const patience = Math.max(timeout + 2 * tick, 1000);
  if (pool && 'use' in pool) return guard(pool, bounds, false);
  const connect = (): Connection => {
    if (target.kind === 'cluster') return new ClusterConnection(target.plan, { timeout, patience, onError });
    if (target.kind === 'sentinel') return new SentinelConnection(target.plan, { timeout, patience, onError });
    if (target.kind === 'client') return overGiven(target.client, patience, onError);
    if (parser && target.kind === 'server') return new DirectConnection(target.options, parser, patience, onError);
    return ClientConnection.open(target.kind === 'server' ? target.options : {}, patience, onError, near !== undefined);
  };
  const open = (): Connection => {
    const connection = connect();
    near?.watch(connection);
    return connection;
  };
  return guard(pool ? new pool.class(open, pool.kwargs) : new SharedConnection(open), bounds);
}

function overGiven(client: GivenClient, patience: Milliseconds, onError: OnError): Connection {
  const kind = kindOf(client);
  return kind === undefined || kind === 'client'
    ? ClientConnection.over(client, patience, onError)
    : new GivenTopology(client, kind, onError);
}

function severalNodes(target: Target): boolean {
  return target.kind === 'cluster' || (target.kind === 'client' && kindOf(target.client) === 'cluster');
}

/** Failures in a row mean nothing where they may all be those of one node: unless told otherwise it opens when no node is left. */
function ofCluster(breaker: Settings['breaker']): Settings['breaker'] {
  return breaker === false ? false : { threshold: Number.MAX_SAFE_INTEGER, ...breaker };
}
