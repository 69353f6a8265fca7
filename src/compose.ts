import { Cache } from './cache/cache.js';
import { type Lifecycle, remoteLifecycle } from './cache/lifecycle.js';
import { overtaken } from './cache/loads-under-way.js';
import { localEngine, type OwnedEngine, type Room } from './cache/local-engine.js';
import { connectionListeners, queueEvents, recordedCommands, replayLast, tracedCommands } from './cache/recording.js';
import { Sliding } from './cache/sliding.js';
import { TagMemory } from './cache/tag-generations.js';
import { createCodecs } from './codec/codec.js';
import { batching } from './commands/batching.js';
import type { Commands, OrderedCommands } from './commands/commands.js';
import { DeleteQueue } from './commands/delete-queue.js';
import { inOrder } from './commands/in-order.js';
import { memoryCommands } from './commands/memory.js';
import { redisCommands } from './commands/redis.js';
import { RefusedCommands } from './commands/refused.js';
import { ReleaseQueue } from './commands/release-queue.js';
import { hasSeveralNodes, openPool } from './connection/open.js';
import { type Pool, SharedConnection } from './connection/pools.js';
import { bySlot } from './connection/slots.js';
import { SingleFlight } from './load/single-flight.js';
import { nearCommands, openNearTier } from './near/commands.js';
import { OfflineMemory } from './near/offline.js';
import { offlineCommands } from './near/offline-commands.js';
import { sourceOf } from './options/locations.js';
import { type KeyOptions, parseKeySpace, parseOptions, type Settings } from './options/parse.js';
import { Events, type Source } from './telemetry/events.js';
import { Counters } from './telemetry/stats.js';
import { Background } from './time/background.js';
import { ttlPolicy } from './ttl.js';

/** What a face is made of. */
export interface StoreParts {
  readonly cache: Cache;
  readonly flights: SingleFlight;
  readonly lifecycle: Lifecycle;
  /** The entries of a Keyv namespace. */
  readonly cacheOf: (namespace: string) => Cache;
}

/** What a face adds. */
export interface FaceOptions {
  /** Commands that answer in place of Redis. */
  readonly commands?: Commands;
  /** Which texts the Keyv around the store can read. */
  readonly accepts?: (text: string) => boolean;
}

/** The composition root: from the options of a user to the parts of a store. It reads top down as calls travel. */
export function compose(options: KeyOptions, face: Source['face'], { commands, accepts }: FaceOptions = {}): StoreParts {
  const settings = face === 'keyv' ? parseOptions(options, ['keyPrefixSeparator'], 'keyv') : parseOptions(options);
  const { keys, keysOf, isReversible, namespace } = parseKeySpace(options, settings, face);
  const codecs = createCodecs(options, accepts);
  const room: Room = {
    names: { space: keys },
    source: sourceOf(face, settings),
    events: new Events(),
    counters: new Counters(),
    background: new Background(),
  };
  const { lifecycle, isReachable, ...engine } =
    commands || settings.target.kind === 'memory'
      ? localEngine(commands ?? memoryCommands(options.max), room)
      : remoteEngine(settings, options, room);
  const [flights, sliding] = [new SingleFlight(), new Sliding()];
  const { prefix, version, timeout, onFailure, isCacheable, tagsOf, tagging } = settings;
  const cache = new Cache({
    ...{ prefix, version, timeout, onFailure, isCacheable, tagsOf, tagging },
    ...room,
    ...engine,
    keys,
    keysOf,
    isReversible,
    // What this process holds is the store's own.
    wholeDatabase: settings.wholeDatabase || commands !== undefined || settings.target.kind === 'memory',
    ttl: ttlPolicy(options),
    codec: face === 'keyv' ? codecs.raw : codecs.values,
    strict: face === 'store',
    tagMemory: new TagMemory(),
    sliding,
    loads: overtaken(flights, sliding, engine.offline),
    releases: new ReleaseQueue(engine.commands, room.background, isReachable),
  });
  const cacheOf = (name: string): Cache => {
    room.names.space = namespace(name);
    return cache.withKeys(room.names.space);
  };
  return { cache, flights, lifecycle, cacheOf };
}

/** Commands that Redis answers: pool → Redis → batching → delete queue → order → tracing → near tier → offline → recording. */
function remoteEngine(settings: Settings, { batch, invalidations }: KeyOptions, room: Room): OwnedEngine {
  const { timeout, target } = settings;
  const listeners = connectionListeners(room, room.source);
  const isOwnPool = !(settings.pool && 'use' in settings.pool);
  const offline = settings.offline && new OfflineMemory(settings.offline);
  const near = settings.near && openNearTier(settings.near, timeout, isOwnPool, offline);
  const sharesPool = settings.pool === undefined || ('class' in settings.pool && settings.pool.class === SharedConnection);
  const onBreaker: typeof listeners.onBreaker = (state, cause) => {
    offline?.breakerChanged(state);
    listeners.onBreaker(state, cause);
  };
  const pool = openPool({ ...settings, ...listeners, onBreaker, tracker: sharesPool ? near : undefined });
  // Invalidations keep their order with the replies of one connection only: beside a pool, a connection of its own tracks.
  const trackingPool =
    near && !sharesPool ? openPool({ ...settings, pool: undefined, onError: listeners.onError, tracker: near }) : undefined;

  const refused = new RefusedCommands();
  const batched = (of: Pool): Commands =>
    batch === false
      ? redisCommands(of, refused)
      : batching(redisCommands(of, refused), batch, hasSeveralNodes(target) ? (keys) => bySlot(keys, (key) => key) : undefined);
  const base = batched(pool);
  const waits = (invalidations ?? (room.source.face === 'keyv' && settings.onFailure === 'miss' ? 'queue' : 'reject')) === 'queue';
  // What is served here in place of an entry in Redis must not be followed by that entry.
  const queue = waits || offline ? new DeleteQueue(base, queueEvents(room, room.names, room.source.face), waits) : undefined;
  const queued = (commands: Commands): Commands => queue?.over(commands) ?? commands;
  const ordered = inOrder(queued(base), { timeout });
  const tracking = trackingPool ? inOrder(queued(batched(trackingPool)), { timeout }) : ordered;

  const finished = (commands: OrderedCommands, source: Commands): OrderedCommands => {
    const traced = tracedCommands(commands, room.names, room.source);
    const context = near && { tier: near, source: tracedCommands(source, room.names, room.source), isDeleting: queue?.waits };
    const first = context ? nearCommands(traced, context) : traced;
    const isInternal = (key: string): boolean => room.names.space.isInternalKey?.(key) ?? false;
    const held = offline ? offlineCommands(first, offline, { isInternal, isDeleting: (key) => queue?.waits(key) ?? false }) : first;
    return recordedCommands(held, room.names, room);
  };
  const beforeClosing = queue && (() => replayLast(queue, room));
  const idle = (): Promise<unknown> => ordered.idle();
  return {
    near,
    commands: finished(ordered, tracking),
    commandsWithin: (bounds) =>
      finished(
        inOrder(queued(redisCommands(pool.withBounds(bounds), refused)), { signal: bounds.signal, timeout: bounds.timeout ?? timeout }),
        queued(redisCommands((trackingPool ?? pool).withBounds(bounds), refused)),
      ),
    failedAt: () => Math.max(pool.failedAt, trackingPool?.failedAt ?? pool.failedAt, near?.silentSince ?? pool.failedAt),
    isReachable: () => pool.status !== 'reconnecting',
    offline,
    clearLater: waits ? queue?.clearLater : undefined,
    lifecycle: remoteLifecycle({ pool, refused, near, offline, trackingPool, timeout, background: room.background, idle, beforeClosing }),
  };
}
