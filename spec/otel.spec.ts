import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { expect } from 'chai';
import { type InstrumentOptions, instrument } from '../src/otel.js';
import { isLoadTraced, isTraced } from '../src/telemetry/events.js';
import { sharedServer } from './support/hooks.js';
import { openStore, rejection } from './support/open.js';
import { freePort, RedisServer } from './support/redis.js';
import { until } from './support/until.js';

describe('OpenTelemetry', () => {
  const spans = new InMemorySpanExporter();
  const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('spec');
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meters = new MeterProvider({ readers: [reader] });
  const ends: (() => void)[] = [];

  /** Instruments until the spec ends. */
  function watch(store: Parameters<typeof instrument>[0], options: InstrumentOptions = {}): void {
    ends.push(instrument(store, { tracer, meter: meters.getMeter('spec'), ...options }));
  }

  /** What is collected now: the points of each metric that fit the attributes. */
  async function collect(prefix: string): Promise<Record<string, [attributes: Record<string, unknown>, value: unknown][]>> {
    exporter.reset();
    await reader.forceFlush();
    const metrics = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    return Object.fromEntries(
      metrics.map(({ descriptor, dataPoints }) => [
        descriptor.name,
        dataPoints
          .filter(({ attributes }) => attributes['redis_tier.prefix'] === prefix)
          .map(({ attributes, value }) => [attributes, value] as [Record<string, unknown>, unknown]),
      ]),
    );
  }

  afterEach(() => {
    for (const end of ends.splice(0)) end();
    spans.reset();
    expect([isTraced(), isLoadTraced()], 'nothing stays subscribed').to.deep.equal([false, false]);
  });
  after(() => meters.shutdown());

  it('has a client span for each command, with the attributes of the conventions', async () => {
    const store = openStore();
    watch(store, { attributes: { 'service.tier': 'cache' } });
    await store.set('a', 1);
    await store.get('a');
    await store.get('b');
    await store.mget('a', 'b');
    const [address, port] = sharedServer().location.split(':');
    const seen = spans.getFinishedSpans();
    expect(seen.map(({ name }) => name)).to.deep.equal(['SET', 'GET', 'GET', 'MGET']);
    for (const { kind, attributes } of seen) {
      expect(kind).to.equal(SpanKind.CLIENT);
      expect(attributes).to.include({
        'db.system.name': 'redis',
        'db.namespace': '0',
        'server.address': address,
        'server.port': Number(port),
        'service.tier': 'cache',
      });
      expect(attributes).not.to.have.property('cache.key');
    }
    expect(seen.map(({ attributes }) => attributes['cache.hit'])).to.deep.equal([undefined, true, false, undefined]);
    expect(seen[3]?.attributes).to.include({ 'db.operation.name': 'MGET', 'db.operation.batch.size': 2, 'cache.hits': 1 });
  });

  it('has the key in a span only where asked to', async () => {
    const store = openStore();
    watch(store, { keys: true });
    await store.get('a');
    expect(spans.getFinishedSpans()[0]?.attributes).to.include({ 'cache.key': 'a' });
  });

  it('marks a span whose command failed', async () => {
    const store = openStore({ location: `127.0.0.1:${await freePort()}` });
    watch(store);
    await store.get('a');
    const [span] = spans.getFinishedSpans();
    expect(span?.status.code).to.equal(SpanStatusCode.ERROR);
    expect(span?.attributes).to.include({ 'error.type': 'ERR_CONNECTION' });
  });

  it('follows the store it was given and no other', async () => {
    const [store, other] = [openStore(), openStore()];
    watch(store);
    await other.get('a');
    expect(spans.getFinishedSpans()).to.deep.equal([]);
  });

  it('reports the numbers of stats(), by tier', async () => {
    const prefix = 'otel-numbers';
    const store = openStore({ prefix });
    watch(store, { tracer: false, durations: false });
    await store.clear();
    store.stats({ reset: true });
    await store.set('a', 'four');
    await store.get('a');
    await store.mget('a', 'b');
    const metrics = await collect(prefix);
    const read = (tier: string, hit: boolean): unknown =>
      metrics['redis_tier.reads']?.find(([attributes]) => attributes['cache.tier'] === tier && attributes['cache.hit'] === hit)?.[1];
    expect([read('redis', true), read('redis', false), read('near', true), read('near', false)]).to.deep.equal([2, 1, 0, 0]);
    expect(metrics['redis_tier.writes']?.[0]?.[1]).to.equal(1);
    expect(metrics['redis_tier.failures']?.[0]?.[1]).to.equal(0);
    expect(metrics['redis_tier.breaker.open']?.[0]?.[1]).to.equal(0);
    expect(metrics['redis_tier.pending']?.[0]?.[1]).to.equal(0);
    const io = metrics['redis_tier.io']?.map(([attributes, value]) => [attributes['network.io.direction'], value]);
    expect(io).to.deep.equal([
      ['receive', 12],
      ['transmit', 6],
    ]);
  });

  it('keeps the metrics of two stores apart', async () => {
    const [one, other] = [openStore({ prefix: 'otel-one' }), openStore({ prefix: 'otel-other' })];
    for (const store of [one, other]) watch(store, { tracer: false, durations: false });
    await one.set('a', 1);
    expect((await collect('otel-one'))['redis_tier.writes']?.[0]?.[1]).to.equal(1);
    expect((await collect('otel-other'))['redis_tier.writes']?.[0]?.[1]).to.equal(0);
  });

  it('measures how long commands take, by command and by what they failed of', async () => {
    const prefix = 'otel-durations';
    const [store, away] = [openStore({ prefix }), openStore({ prefix, location: `127.0.0.1:${await freePort()}` })];
    for (const each of [store, away]) watch(each, { tracer: false });
    await store.get('a');
    await store.get('a');
    await away.get('a');
    const points = (await collect(prefix))['db.client.operation.duration'] ?? [];
    const counts = points.map(([attributes, value]) => [
      attributes['db.operation.name'],
      attributes['error.type'],
      (value as { count: number }).count,
    ]);
    expect(counts).to.deep.equal([
      ['GET', undefined, 2],
      ['GET', 'ERR_CONNECTION', 1],
    ]);
  });

  it('subscribes to nothing where only the numbers are wanted', () => {
    watch(openStore(), { tracer: false, durations: false });
    expect(isTraced()).to.equal(false);
  });

  it('has a span and a duration for each call of a function given to getOrSet', async () => {
    const prefix = 'otel-loads';
    const store = openStore({ prefix });
    watch(store, { keys: true });
    await store.clear();
    spans.reset();
    await store.getOrSet('a', () => 1);
    const fails = async (): Promise<never> => {
      throw new TypeError('broken');
    };
    await rejection(store.getOrSet('b', fails));
    const loads = spans.getFinishedSpans().filter(({ name }) => name === 'load');
    expect(loads.map(({ kind, attributes, status }) => [kind, attributes, status.code])).to.deep.equal([
      [SpanKind.INTERNAL, { 'redis_tier.prefix': prefix, 'cache.key': 'a', 'redis_tier.renewal': false }, SpanStatusCode.UNSET],
      [
        SpanKind.INTERNAL,
        { 'redis_tier.prefix': prefix, 'cache.key': 'b', 'redis_tier.renewal': false, 'error.type': 'TypeError' },
        SpanStatusCode.ERROR,
      ],
    ]);
    const points = (await collect(prefix))['redis_tier.load.duration'] ?? [];
    expect(points.map(([attributes, value]) => [attributes['error.type'], (value as { count: number }).count])).to.deep.equal([
      [undefined, 1],
      ['TypeError', 1],
    ]);
  });

  it('reports how much the near tier holds', async () => {
    const prefix = 'otel-near';
    const store = openStore({ prefix, near: {} });
    watch(store, { tracer: false, durations: false });
    await store.set('a', 'four');
    // Reads are kept once the server tracks the connection.
    while (store.stats().near.hits === 0) await store.get('a');
    const metrics = await collect(prefix);
    expect(metrics['redis_tier.near.entries']?.[0]?.[1]).to.equal(1);
    expect(metrics['redis_tier.near.bytes']?.[0]?.[1]).to.equal(store.stats().near.bytes);
  });

  it('ends the spans of what is under way when it ends', async () => {
    const server = await RedisServer.start();
    try {
      const store = openStore({ location: server.location });
      await store.ready();
      const end = instrument(store, { tracer, meter: false });
      let made = (_value: number): void => {};
      const loading = store.getOrSet('a', () => new Promise<number>((resolve) => (made = resolve)));
      await until(() => store.stats().loads === 1);
      spans.reset();
      server.freeze();
      const reading = store.get('b');
      end();
      expect(spans.getFinishedSpans().map(({ name }) => name)).to.have.members(['load', 'GET']);
      server.thaw();
      made(1);
      await Promise.all([loading, reading]);
      expect(spans.getFinishedSpans()).to.have.length(2);
    } finally {
      server.thaw();
      await server.stop();
    }
  });

  it('is quiet after its end', async () => {
    const prefix = 'otel-ended';
    const store = openStore({ prefix });
    instrument(store, { tracer, meter: meters.getMeter('spec') })();
    await store.get('a');
    expect(spans.getFinishedSpans()).to.deep.equal([]);
    expect((await collect(prefix))['redis_tier.writes'] ?? []).to.deep.equal([]);
  });
});
