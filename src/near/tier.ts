import { performance } from 'node:perf_hooks';
import { LRUCache } from 'lru-cache';
import type { Stored } from '../codec/codec.js';
import { missing, never } from '../commands/commands.js';
import type { Connection } from '../connection/connection.js';
import type { Tracking, TrackingListener } from '../connection/tracking.js';
import { UnsupportedError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { Ears } from './ears.js';
import { deepFreeze } from './freeze.js';
import { bury, type Kept, newKept, weight } from './kept.js';
import type { NearSettings } from './options.js';

/** How often the server is asked whether it still tracks, at the most. */
const pulse: Milliseconds = 1000;

/** A read from Redis that may be kept when its answer comes, unless something happens to the key first. */
export interface Fill {
  readonly key: string;
  readonly start: Milliseconds;
  valid: boolean;
}

/** How much a near tier holds. */
export interface NearHolding {
  /** Entries, known misses included. */
  readonly entries: number;
  /** What `maxBytes` bounds: bytes of keys and stored values, and 128 for each entry. */
  readonly bytes: number;
}

/**
 * What the process keeps of Redis, and whether it may be believed. An entry is served while three things hold: no change of its
 * key was told, its time to live has not passed, and the server has said lately that it still tracks the connection.
 */
export class NearTier implements TrackingListener {
  readonly freeze: boolean;
  readonly #settings: NearSettings;
  readonly #entries: LRUCache<string, Kept>;
  readonly #fills = new Map<string, Fill>();
  readonly #ears = new Ears();
  /** How many writes of this process are under way, by key. */
  readonly #writes = new Map<string, number>();
  readonly #pulse: Milliseconds;
  readonly #patience: Milliseconds;
  #connection: Connection | undefined;
  #tracking: Tracking | undefined;
  #live = false;
  /** The session in which the server was asked and has not answered, and when. */
  #asking: NodeJS.Timeout | undefined;
  #askedAt = 0;
  /** Until when what is kept may be served, on the monotonic clock. */
  trustedUntil = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #warned = false;
  #closed = false;

  constructor(settings: NearSettings, timeout: Milliseconds) {
    this.#settings = settings;
    this.freeze = settings.freeze;
    this.#entries = new LRUCache({
      max: settings.max,
      maxSize: settings.maxBytes,
      sizeCalculation: ({ stored }, key) => weight(key, stored),
      dispose: bury,
    });
    this.#pulse = Math.min(timeout, pulse);
    this.#patience = Math.max(this.#pulse + timeout, settings.maxStaleness);
  }

  /** Whether reads may be kept now. */
  get live(): boolean {
    return this.#live;
  }

  /** When the server fell silent, on the monotonic clock; `-Infinity` while it answers. Whoever waits for word of it asks nothing that could fail. */
  get silentSince(): Milliseconds {
    const silent = this.#live && this.#asking === this.#timer && performance.now() - this.#askedAt > Math.max(50, this.#pulse / 4);
    return silent ? this.#askedAt : Number.NEGATIVE_INFINITY;
  }

  /** How many entries are kept at the most. */
  get max(): number {
    return this.#settings.max;
  }

  /** What it holds now. */
  get holding(): NearHolding {
    return { entries: this.#entries.size, bytes: this.#entries.calculatedSize };
  }

  /** Has the reads over this connection kept true. */
  watch(connection: Connection): void {
    this.#connection = connection;
    if (connection.track) this.#tracking = connection.track(this);
    else this.refused(new UnsupportedError('this kind of connection does not tell what changes'));
  }

  /** The entry, where there is one that may be served. */
  find(key: string, now = performance.now()): Kept | undefined {
    if (now >= this.trustedUntil) return undefined;
    const kept = this.#entries.get(key);
    if (kept === undefined || now < kept.deadline) return kept;
    this.#entries.delete(key);
    return undefined;
  }

  /** Before a read of the key goes to Redis: `undefined` where its answer must not be kept, or another will be. */
  begin(key: string): Fill | undefined {
    if (!this.#awake()) return undefined;
    if (this.#writes.has(key) || this.#fills.has(key)) return undefined;
    const fill = { key, start: performance.now(), valid: true };
    this.#fills.set(key, fill);
    return fill;
  }

  /**
   * Before a read of the keys over the connection that tracks: the signal tells when one of them changes, or nobody would say so any more.
   * `undefined` while nobody does.
   */
  listen(keys: readonly string[]): ReturnType<Ears['listen']> | undefined {
    return this.#awake() ? this.#ears.listen(keys) : undefined;
  }

  /** Keeps what the read found, if nothing has happened to the key. `left`: what PTTL said, asked for after the fill began. */
  complete(fill: Fill, stored: Stored | null | undefined, left: Milliseconds): void {
    const kept = fill.valid && this.#live;
    this.abandon(fill);
    // It expired or appeared between the two questions: which it is now is for the next read to find out.
    if (!kept || (stored !== undefined && (stored === null) !== (left === missing))) return;
    // The time to live is counted from before Redis was asked, so that an entry never outlives the one in Redis.
    const inRedis = left === never || left === missing ? Number.POSITIVE_INFINITY : fill.start + left;
    const content = stored === undefined && left === missing ? null : stored;
    this.#entries.set(fill.key, newKept(content, Math.min(inRedis, fill.start + this.#settings.ttl)));
  }

  /** The read failed, or its answer is not to be kept. */
  abandon(fill: Fill): void {
    if (this.#fills.get(fill.key) === fill) this.#fills.delete(fill.key);
  }

  /** A write of this process begins: until it has been answered, reads of the key go to Redis and are not kept. */
  writing(key: string): void {
    this.#writes.set(key, (this.#writes.get(key) ?? 0) + 1);
    this.#drop(key);
  }

  written(key: string): void {
    const others = (this.#writes.get(key) ?? 0) - 1;
    if (others > 0) this.#writes.set(key, others);
    else this.#writes.delete(key);
  }

  isWriting(key: string): boolean {
    return this.#writes.size > 0 && this.#writes.has(key);
  }

  /** Freezes the decoded value and shares it from now on, where that is possible. */
  share<T>(kept: Kept | undefined, value: T): T {
    if (value !== undefined && deepFreeze(value) && kept?.alive) {
      kept.value = value;
      kept.shared = true;
    }
    return value;
  }

  started(): void {
    if (this.#closed) return;
    // What was kept from before may have changed while nobody told.
    this.#forget();
    this.#live = true;
    this.#confirmed(performance.now());
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.#confirm(), this.#pulse).unref();
  }

  stopped(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#live) {
      const { maxStaleness } = this.#settings;
      this.trustedUntil = maxStaleness > 0 ? Math.min(this.trustedUntil, performance.now() + maxStaleness) : Number.NEGATIVE_INFINITY;
    }
    this.#live = false;
    this.#doom();
    if (this.trustedUntil === Number.NEGATIVE_INFINITY) this.#entries.clear();
  }

  refused(reason: Error): void {
    this.stopped();
    this.#forget();
    this.trustedUntil = Number.NEGATIVE_INFINITY;
    if (this.#warned) return;
    this.#warned = true;
    process.emitWarning(`the near cache is off, every read goes to Redis: ${reason.message}`, { code: 'REDIS_TIER_NEAR' });
  }

  invalidated(key: string | null): void {
    if (key === null) this.#forget();
    else {
      this.#drop(key);
      this.#ears.tell(key);
    }
  }

  close(): void {
    this.#closed = true;
    this.#tracking?.close();
    this.stopped();
    this.#forget();
    this.trustedUntil = Number.NEGATIVE_INFINITY;
  }

  #awake(): boolean {
    // A connection of the tier's own is used for nothing else, so that nothing else would open it.
    if (!this.#live && this.#connection?.status === 'idle') this.#connection.ready().catch(() => {});
    return this.#live;
  }

  #drop(key: string): void {
    this.#entries.delete(key);
    if (this.#fills.size === 0) return;
    const fill = this.#fills.get(key);
    if (!fill) return;
    fill.valid = false;
    this.#fills.delete(key);
  }

  #doom(): void {
    for (const fill of this.#fills.values()) fill.valid = false;
    this.#fills.clear();
    this.#ears.tellAll();
  }

  #forget(): void {
    this.#entries.clear();
    this.#doom();
  }

  /** All that was changed before `when` has been told. */
  #confirmed(when: Milliseconds): void {
    this.trustedUntil = when + this.#patience;
  }

  /**
   * A silent connection is no connection: where nobody answers, trust runs out by itself, and comes back with the answer, before
   * which every push has come.
   */
  async #confirm(): Promise<void> {
    const session = this.#timer;
    if (this.#asking === session) return;
    this.#asking = session;
    const when = performance.now();
    this.#askedAt = when;
    try {
      await this.#tracking?.confirm();
      if (session === this.#timer) this.#confirmed(when);
    } catch (error) {
      // A connection that is lost says so itself. Refused: somebody has switched tracking off.
      if (session === this.#timer && error instanceof UnsupportedError) this.refused(error);
    } finally {
      if (this.#asking === session) this.#asking = undefined;
    }
  }
}
