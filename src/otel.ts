import { tracingChannel } from 'node:diagnostics_channel';
import { type Attributes, type Meter, metrics, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { StoreStats } from './telemetry/stats.js';
import { type CommandTrace, commandChannel, type Source } from './telemetry/tracing.js';

/** A store, or a Keyv adapter. */
export interface Instrumentable {
  readonly source: Source;
  stats(): StoreStats;
}

export interface InstrumentOptions {
  /** Where the metrics go; `false` for nowhere. Default: the meter `redis-tier` of the global provider. */
  readonly meter?: Meter | false | undefined;
  /** Where the spans go; `false` for nowhere. Default: the tracer `redis-tier` of the global provider. */
  readonly tracer?: Tracer | false | undefined;
  /**
   * Whether the time of every command is measured, for the histogram `db.client.operation.duration`. Default true. Without it
   * and without a tracer nothing is done per command: the other metrics are read from `stats()` when they are collected.
   */
  readonly durations?: boolean | undefined;
  /** Whether spans carry the caller's key, as `cache.key`. Default false: keys may be personal. */
  readonly keys?: boolean | undefined;
  /** Set on every span and metric. */
  readonly attributes?: Attributes | undefined;
}

/**
 * Gives OpenTelemetry what the store does: metrics from its `stats()`, and for each command a client span and its duration.
 * Needs the package `@opentelemetry/api`.
 *
 * @returns ends it
 */
export function instrument(store: Instrumentable, options: InstrumentOptions = {}): () => void {
  const { meter = metrics.getMeter('redis-tier'), tracer = trace.getTracer('redis-tier'), durations = true, keys = false } = options;
  const common = { ...describe(store.source), ...options.attributes };
  const ends: (() => void)[] = [];
  if (meter) ends.push(observeStats(store, meter, common));
  const record = meter && durations ? durationsOf(meter) : undefined;
  if (tracer || record) ends.push(followCommands(store.source, tracer || undefined, record, keys, common));
  return () => {
    for (const end of ends.splice(0)) end();
  };
}

/** Semantic conventions of database clients, for what is known of the server. */
function describe({ prefix, address, port, database }: Source): Attributes {
  return {
    'db.system.name': 'redis',
    'redis_tier.prefix': prefix,
    ...(database === undefined ? {} : { 'db.namespace': String(database) }),
    ...(address === undefined ? {} : { 'server.address': address }),
    ...(port === undefined ? {} : { 'server.port': port }),
  };
}

/** Counters by the name of what they count. */
const counted = {
  'redis_tier.writes': ['writes', '{entry}', 'Entries handed over to be stored'],
  'redis_tier.deletes': ['deletes', '{key}', 'Keys handed over to be deleted'],
  'redis_tier.failures': ['failures', '{operation}', 'Operations that failed, those that became a miss included'],
  'redis_tier.timeouts': ['timeouts', '{operation}', 'Operations past their deadline'],
  'redis_tier.refused': ['refused', '{operation}', 'Operations that were not sent'],
  'redis_tier.loads': ['loads', '{call}', 'Calls of functions given to getOrSet'],
  'redis_tier.stale_served': ['staleServed', '{read}', 'Values served past their time to live'],
  'redis_tier.lease_waits': ['leaseWaits', '{read}', 'Callers that waited for another process to make the value'],
} as const;

/** Costs nothing but one `stats()` each time they are collected. */
function observeStats(store: Instrumentable, meter: Meter, common: Attributes): () => void {
  const counters = Object.entries(counted).map(
    ([name, [field, unit, description]]) => [meter.createObservableCounter(name, { unit, description }), field] as const,
  );
  const reads = meter.createObservableCounter('redis_tier.reads', { unit: '{read}', description: 'Reads that were answered' });
  const io = meter.createObservableCounter('redis_tier.io', { unit: 'By', description: 'Bytes of values, as they are stored' });
  const opened = meter.createObservableCounter('redis_tier.breaker.opened', { description: 'How often the breaker opened' });
  const open = meter.createObservableGauge('redis_tier.breaker.open', { description: '1 while the breaker is open or half open' });
  const pending = meter.createObservableUpDownCounter('redis_tier.pending', { unit: '{command}', description: 'Commands under way' });
  const instruments = [...counters.map(([instrument]) => instrument), reads, io, opened, open, pending];

  const observe: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    const stats = store.stats();
    for (const [instrument, field] of counters) result.observe(instrument, stats[field], common);
    for (const tier of ['near', 'redis'] as const) {
      result.observe(reads, stats[tier].hits, { ...common, 'cache.tier': tier, 'cache.hit': true });
      result.observe(reads, stats[tier].misses, { ...common, 'cache.tier': tier, 'cache.hit': false });
    }
    result.observe(io, stats.bytesRead, { ...common, 'network.io.direction': 'receive' });
    result.observe(io, stats.bytesWritten, { ...common, 'network.io.direction': 'transmit' });
    result.observe(opened, stats.breaker.opened, common);
    result.observe(open, stats.breaker.state === 'closed' ? 0 : 1, common);
    result.observe(pending, stats.pending, common);
  };
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}

type RecordDuration = (seconds: number, attributes: Attributes) => void;

function durationsOf(meter: Meter): RecordDuration {
  const histogram = meter.createHistogram('db.client.operation.duration', {
    unit: 's',
    description: 'Duration of database client operations',
    advice: { explicitBucketBoundaries: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] },
  });
  return (seconds, attributes) => histogram.record(seconds, attributes);
}

interface Following {
  readonly begun: number;
  readonly span: Span | undefined;
}

/** A span and a duration for each command of the store. */
function followCommands(
  source: Source,
  tracer: Tracer | undefined,
  record: RecordDuration | undefined,
  withKeys: boolean,
  common: Attributes,
): () => void {
  const channel = tracingChannel<string, CommandTrace>(commandChannel);
  const following = new WeakMap<CommandTrace, Following>();
  const listeners = {
    start(command: CommandTrace): void {
      if (command.source !== source) return;
      const span = tracer?.startSpan(command.command, { kind: SpanKind.CLIENT, attributes: { ...common, ...attributesOf(command) } });
      if (withKeys && command.key !== undefined) span?.setAttribute('cache.key', command.key);
      following.set(command, { begun: performance.now(), span });
    },
    asyncEnd(command: CommandTrace): void {
      const followed = following.get(command);
      if (!followed) return;
      following.delete(command);
      const { begun, span } = followed;
      const failure = command.error === undefined ? undefined : { 'error.type': typeOf(command.error) };
      if (failure) span?.setAttributes(failure).setStatus({ code: SpanStatusCode.ERROR, message: (command.error as Error).message });
      if (command.hit !== undefined) span?.setAttribute('cache.hit', command.hit);
      else if (command.hits !== undefined) span?.setAttribute('cache.hits', command.hits);
      span?.end();
      record?.((performance.now() - begun) / 1000, { ...common, 'db.operation.name': command.command, ...failure });
    },
  };
  // Handlers for the events that do not matter here would only take time.
  channel.start.subscribe(listeners.start as never);
  channel.asyncEnd.subscribe(listeners.asyncEnd as never);
  return () => {
    channel.start.unsubscribe(listeners.start as never);
    channel.asyncEnd.unsubscribe(listeners.asyncEnd as never);
  };
}

function attributesOf({ command, keys }: CommandTrace): Attributes {
  // A batch of one is no batch, says the convention.
  return { 'db.operation.name': command, ...(keys > 1 ? { 'db.operation.batch.size': keys } : {}) };
}

/** The stable code of an error of ours, or its class. */
function typeOf(error: unknown): string {
  const { code, name } = error as { code?: string; name?: string };
  return code ?? name ?? '_OTHER';
}
