import { tracingChannel } from 'node:diagnostics_channel';
import { type Attributes, type Meter, metrics, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { type CommandTrace, commandChannel, type LoadTrace, loadChannel, type Source } from './telemetry/events.js';
import type { StoreStats } from './telemetry/stats.js';

/** A store, or a Keyv adapter. */
export interface Instrumentable {
  readonly source: Source;
  stats(): StoreStats;
}

/** The options of {@link instrument}. */
export interface InstrumentOptions {
  /** Receives the metrics; `false` for none. Default: the meter `redis-tier` of the global provider. */
  readonly meter?: Meter | false | undefined;
  /** Receives the spans; `false` for none. Default: the tracer `redis-tier` of the global provider. */
  readonly tracer?: Tracer | false | undefined;
  /**
   * Measures the duration of every command and load in seconds, for the histograms `db.client.operation.duration` and
   * `redis_tier.load.duration`. Without it and without a tracer there is no work per command: the other metrics are read from `stats()` at
   * collection. Default true.
   */
  readonly durations?: boolean | undefined;
  /** Whether spans carry the caller's key as `cache.key`. Default false, because keys may be personal data. */
  readonly keys?: boolean | undefined;
  /** Attributes for every span and metric. Default: none. */
  readonly attributes?: Attributes | undefined;
}

/**
 * Reports a store to OpenTelemetry: metrics from its `stats()`, a client span and a duration per command, and an internal span and a duration
 * per call of a `getOrSet` function. Needs the package `@opentelemetry/api`.
 * @returns a function that ends the instrumentation, and the spans of pending calls
 * @example const stop = instrument(store, { keys: true });
 */
export function instrument(store: Instrumentable, options: InstrumentOptions = {}): () => void {
  const { meter = metrics.getMeter('redis-tier'), tracer = trace.getTracer('redis-tier'), durations = true, keys = false } = options;
  const common = { ...describe(store.source), ...options.attributes };
  const ends: (() => void)[] = [];
  if (meter) ends.push(observeStats(store, meter, common));
  const timed = meter && durations ? meter : undefined;
  if (tracer || timed) {
    const sinks = { tracer: tracer || undefined, meter: timed, keys };
    ends.push(follow(commandChannel, store.source, commandWatch(sinks, common)));
    ends.push(follow(loadChannel, store.source, loadWatch(sinks, { 'redis_tier.prefix': store.source.prefix, ...options.attributes })));
  }
  return () => {
    for (const end of ends.splice(0)) end();
  };
}

/** Attributes of the server by the semantic conventions of database clients. */
function describe({ prefix, address, port, database }: Source): Attributes {
  return {
    'db.system.name': 'redis',
    'redis_tier.prefix': prefix,
    ...(database === undefined ? {} : { 'db.namespace': String(database) }),
    ...(address === undefined ? {} : { 'server.address': address }),
    ...(port === undefined ? {} : { 'server.port': port }),
  };
}

type Kind = 'Counter' | 'UpDownCounter' | 'Gauge';

/** The metrics that are one number of the stats: name, kind, unit, description and value. */
const metricsOfStats: readonly (readonly [string, Kind, string, string, (stats: StoreStats) => number])[] = [
  ['redis_tier.writes', 'Counter', '{entry}', 'Attempted writes, in entries', ({ writes }) => writes],
  ['redis_tier.deletes', 'Counter', '{key}', 'Attempted deletions, in keys', ({ deletes }) => deletes],
  ['redis_tier.failures', 'Counter', '{operation}', 'Failed operations, also those that became a miss', ({ failures }) => failures],
  ['redis_tier.timeouts', 'Counter', '{operation}', 'Operations past their deadline', ({ timeouts }) => timeouts],
  ['redis_tier.refused', 'Counter', '{operation}', 'Operations that were not sent', ({ refused }) => refused],
  ['redis_tier.loads', 'Counter', '{call}', 'Calls of getOrSet functions', ({ loads }) => loads],
  ['redis_tier.stale_served', 'Counter', '{read}', 'Stale values served', ({ staleServed }) => staleServed],
  ['redis_tier.lease_waits', 'Counter', '{read}', 'Callers that waited for the lease of another process', (stats) => stats.leaseWaits],
  ['redis_tier.breaker.opened', 'Counter', '', 'How often the breaker opened', ({ breaker }) => breaker.opened],
  ['redis_tier.breaker.open', 'Gauge', '', '1 while the breaker is open or half open', (stats) => Number(stats.breaker.state !== 'closed')],
  ['redis_tier.pending', 'UpDownCounter', '{command}', 'Pending commands', ({ pending }) => pending],
  ['redis_tier.near.entries', 'UpDownCounter', '{entry}', 'Entries of the near tier', ({ near }) => near.entries],
  ['redis_tier.near.bytes', 'UpDownCounter', 'By', 'Bytes of the near tier', ({ near }) => near.bytes],
];

/** Registers the metrics. The only cost is one `stats()` per collection. */
function observeStats(store: Instrumentable, meter: Meter, common: Attributes): () => void {
  const numbers = metricsOfStats.map(([name, kind, unit, description, read]) => {
    return { instrument: meter[`createObservable${kind}`](name, { unit, description }), read };
  });
  const reads = meter.createObservableCounter('redis_tier.reads', { unit: '{read}', description: 'Answered reads' });
  const io = meter.createObservableCounter('redis_tier.io', { unit: 'By', description: 'Bytes of values, as stored' });
  const instruments = [...numbers.map(({ instrument }) => instrument), reads, io];

  const observe: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    const stats = store.stats();
    for (const { instrument, read } of numbers) result.observe(instrument, read(stats), common);
    for (const tier of ['near', 'redis'] as const) {
      result.observe(reads, stats[tier].hits, { ...common, 'cache.tier': tier, 'cache.hit': true });
      result.observe(reads, stats[tier].misses, { ...common, 'cache.tier': tier, 'cache.hit': false });
    }
    result.observe(io, stats.bytesRead, { ...common, 'network.io.direction': 'receive' });
    result.observe(io, stats.bytesWritten, { ...common, 'network.io.direction': 'transmit' });
  };
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}

interface Sinks {
  readonly tracer: Tracer | undefined;
  readonly meter: Meter | undefined;
  readonly keys: boolean;
}

type Message = CommandTrace | LoadTrace;

interface Watch<T> {
  readonly begun: (trace: T) => Span | undefined;
  readonly ended: (trace: T, span: Span | undefined, seconds: number) => void;
}

/** A span and a duration for each command. */
function commandWatch({ tracer, meter, keys }: Sinks, common: Attributes): Watch<CommandTrace> {
  const histogram = meter?.createHistogram('db.client.operation.duration', {
    unit: 's',
    description: 'Duration of database client operations',
    advice: { explicitBucketBoundaries: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] },
  });
  return {
    begun(trace) {
      const { command, keys: count } = trace;
      // By the convention a batch has more than one.
      const batch = count > 1 ? { 'db.operation.batch.size': count } : {};
      const attributes = { ...common, 'db.operation.name': command, ...batch };
      return named(tracer?.startSpan(command, { kind: SpanKind.CLIENT, attributes }), trace, keys);
    },
    ended(trace, span, seconds) {
      if (trace.hit !== undefined) span?.setAttribute('cache.hit', trace.hit);
      else if (trace.hits !== undefined) span?.setAttribute('cache.hits', trace.hits);
      histogram?.record(seconds, { ...common, 'db.operation.name': trace.command, ...failureOf(trace) });
    },
  };
}

/** A span and a duration for each call of a `getOrSet` function. Spans that the function starts are no children of it. */
function loadWatch({ tracer, meter, keys }: Sinks, common: Attributes): Watch<LoadTrace> {
  const histogram = meter?.createHistogram('redis_tier.load.duration', { unit: 's', description: 'Duration of getOrSet functions' });
  return {
    begun(trace) {
      const attributes = { ...common, 'redis_tier.renewal': trace.renewal };
      return named(tracer?.startSpan('load', { kind: SpanKind.INTERNAL, attributes }), trace, keys);
    },
    ended: (trace, _span, seconds) => histogram?.record(seconds, { ...common, ...failureOf(trace) }),
  };
}

/** Subscribes to the messages of this store on a channel. The returned function unsubscribes and ends pending spans. */
function follow<T extends Message>(name: string, source: Source, { begun, ended }: Watch<T>): () => void {
  const channel = tracingChannel<string, T>(name);
  const following = new Map<T, { readonly start: number; readonly span: Span | undefined }>();
  const listeners = {
    start(trace: T): void {
      if (trace.source === source) following.set(trace, { start: performance.now(), span: begun(trace) });
    },
    asyncEnd(trace: T): void {
      const followed = following.get(trace);
      if (!followed) return;
      following.delete(trace);
      const { start, span } = followed;
      const failure = failureOf(trace);
      if (failure) span?.setAttributes(failure).setStatus({ code: SpanStatusCode.ERROR, message: (trace.error as Error)?.message });
      ended(trace, span, (performance.now() - start) / 1000);
      span?.end();
    },
  };
  // Further handlers would only cost time.
  channel.subscribe(listeners as never);
  return () => {
    channel.unsubscribe(listeners as never);
    for (const { span } of following.values()) span?.end();
    following.clear();
  };
}

function named(span: Span | undefined, { key }: Message, keys: boolean): Span | undefined {
  return keys && key !== undefined ? span?.setAttribute('cache.key', key) : span;
}

/** The stable code of our errors, the class of others. */
function failureOf(trace: Message): Attributes | undefined {
  if (!('error' in trace)) return undefined;
  const { code, name } = (trace.error ?? {}) as { code?: string; name?: string };
  return { 'error.type': code ?? name ?? '_OTHER' };
}
