import { missingNearby, type ReadEntry } from '../codec/entry.js';
import { missing, never } from '../commands/commands.js';
import type { Connection, Tracking, TrackingListener } from '../connection/connection.js';
import { UnsupportedError } from '../errors.js';
import { warn } from '../messages.js';
import type { NearHolding } from '../telemetry/stats.js';
import { clearInterval, performance, setInterval } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';
import { KeyWatchers, type NearEntry, type NearSettings, newNearEntry, type OnLost } from './entry.js';
import { TwoQueues } from './two-queues.js';

/** How often the server is asked whether it still tracks. */
const pulse: Milliseconds = 1000;

/** A read from Redis whose answer may be kept, unless its key changes first. */
export interface Fill {
  readonly key: string;
  readonly start: Milliseconds;
  isValid: boolean;
}

/**
 * The entries that this process holds. One is served while three things hold: the server has not invalidated its key, its time to live
 * has not passed, and the server has confirmed lately that it still tracks the connection.
 */
export class NearTier implements TrackingListener {
  readonly freeze: boolean;
  readonly #settings: NearSettings;
  readonly #entries: TwoQueues;
  readonly #fills = new Map<string, Fill>();
  readonly #watchers = new KeyWatchers();
  /** How many writes of this process are under way, by key. */
  readonly #writes = new Map<string, number>();
  readonly #pulse: Milliseconds;
  readonly #trustTime: Milliseconds;
  #connection: Connection | undefined;
  #tracking: Tracking | undefined;
  #live = false;
  /** The session in which the server was asked and has not answered, and since when. */
  #asking: NodeJS.Timeout | undefined;
  #askedAt = 0;
  /** Until when entries may be served, on the monotonic clock. */
  trustedUntil = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #warned = false;
  readonly #onLost: OnLost | undefined;
  #closed = false;

  /** `onLost`: receives the entries that were true until the connection was lost. */
  constructor(settings: NearSettings, timeout: Milliseconds, onLost?: OnLost) {
    this.#settings = settings;
    this.#onLost = onLost;
    this.freeze = settings.freeze;
    this.#entries = new TwoQueues(settings);
    this.#pulse = Math.min(timeout, pulse);
    this.#trustTime = Math.max(this.#pulse + timeout, settings.maxStaleness);
  }

  /** Whether reads may be kept now. */
  get isLive(): boolean {
    return this.#live;
  }

  /** When the server fell silent, on the monotonic clock; `-Infinity` while it answers. A caller that waits for a change sends nothing that could fail. */
  get silentSince(): Milliseconds {
    const silent = this.#live && this.#asking === this.#timer && performance.now() - this.#askedAt > Math.max(50, this.#pulse / 4);
    return silent ? this.#askedAt : Number.NEGATIVE_INFINITY;
  }

  /** How many entries it holds at most. */
  get max(): number {
    return this.#settings.max;
  }

  get holding(): NearHolding {
    return { entries: this.#entries.size, bytes: this.#entries.calculatedSize };
  }

  /** Keeps reads over this connection true. */
  watch(connection: Connection): void {
    this.#connection = connection;
    if (connection.track) this.#tracking = connection.track(this);
    else this.refused(new UnsupportedError('this kind of connection does not tell what changes'));
  }

  /** The entry, if it may be served. */
  find(key: string, now = performance.now()): NearEntry | undefined {
    if (now >= this.trustedUntil) return undefined;
    const near = this.#entries.get(key, now);
    if (near === undefined || now < near.deadline) return near;
    this.#entries.delete(key);
    return undefined;
  }

  /** Before a read of the key goes to Redis. `undefined` if its answer must not be kept, or another read will keep one. */
  begin(key: string): Fill | undefined {
    if (!this.#isAwake()) return undefined;
    if (this.#writes.has(key) || this.#fills.has(key)) return undefined;
    const fill = { key, start: performance.now(), isValid: true };
    this.#fills.set(key, fill);
    return fill;
  }

  /** Before a read of the keys over the connection that tracks: watches them for changes. `undefined` while it does not track. */
  listen(keys: readonly string[]): ReturnType<KeyWatchers['watch']> | undefined {
    return this.#isAwake() ? this.#watchers.watch(keys) : undefined;
  }

  /**
   * Keeps the answer of a read, unless its key has changed since. `entry`: `undefined` if only the existence was asked; `left`: the answer
   * of PTTL, asked after the fill began.
   */
  complete(fill: Fill, entry: ReadEntry | undefined, left: Milliseconds): void {
    const isGood = fill.isValid && this.#live;
    this.abandon(fill);
    // It expired or appeared between the two commands: the next read finds out which.
    if (!isGood || (entry && entry.found === (left === missing))) return;
    // Counted from before Redis was asked, so that no entry outlives the one in Redis.
    const inRedis = left === never || left === missing ? Number.POSITIVE_INFINITY : fill.start + left;
    const answer = entry ?? (left === missing ? missingNearby : undefined);
    this.#entries.set(fill.key, newNearEntry(answer, Math.min(inRedis, fill.start + this.#settings.ttl), this.#settings.maxBytes));
  }

  /** The read failed, or its answer must not be kept. */
  abandon(fill: Fill): void {
    if (this.#fills.get(fill.key) === fill) this.#fills.delete(fill.key);
  }

  /** Until a write of this process is answered, reads of its key go to Redis and are not kept. */
  writeBegan(key: string): void {
    this.#writes.set(key, (this.#writes.get(key) ?? 0) + 1);
    this.#evict(key);
  }

  writeEnded(key: string): void {
    const others = (this.#writes.get(key) ?? 0) - 1;
    if (others > 0) this.#writes.set(key, others);
    else this.#writes.delete(key);
  }

  isWriting(key: string): boolean {
    return this.#writes.size > 0 && this.#writes.has(key);
  }

  started(): void {
    if (this.#closed) return;
    // Entries from before may have changed while no server tracked them.
    this.#clear();
    this.#live = true;
    this.trustedUntil = performance.now() + this.#trustTime;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.#confirm(), this.#pulse).unref();
  }

  stopped(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#live) {
      if (this.#onLost) this.#handOver(this.#onLost);
      const { maxStaleness } = this.#settings;
      this.trustedUntil = maxStaleness > 0 ? Math.min(this.trustedUntil, performance.now() + maxStaleness) : Number.NEGATIVE_INFINITY;
    }
    this.#live = false;
    this.#invalidateFills();
    if (this.trustedUntil === Number.NEGATIVE_INFINITY) this.#entries.clear();
  }

  refused(reason: Error): void {
    this.stopped();
    this.#clear();
    this.trustedUntil = Number.NEGATIVE_INFINITY;
    if (this.#warned) return;
    this.#warned = true;
    warn(`the near cache is off, every read goes to Redis: ${reason.message}`, 'REDIS_TIER_NEAR');
  }

  invalidated(key: string | null): void {
    if (key === null) this.#clear();
    else {
      this.#evict(key);
      this.#watchers.notify(key);
    }
  }

  close(): void {
    this.#closed = true;
    this.#tracking?.close();
    this.stopped();
    this.#clear();
    this.trustedUntil = Number.NEGATIVE_INFINITY;
  }

  #handOver(onLost: OnLost): void {
    const lost = [...this.#entries.rkeys()].map((key) => {
      const { entry, deadline = 0 } = this.find(key) ?? {};
      return { key, entry, deadline };
    });
    onLost(lost);
  }

  #isAwake(): boolean {
    // No other caller opens a connection that only tracks.
    if (!this.#live && this.#connection?.status === 'idle') this.#connection.ready().catch(() => {});
    return this.#live;
  }

  #evict(key: string): void {
    this.#entries.delete(key);
    if (this.#fills.size === 0) return;
    const fill = this.#fills.get(key);
    if (!fill) return;
    fill.isValid = false;
    this.#fills.delete(key);
  }

  #invalidateFills(): void {
    for (const fill of this.#fills.values()) fill.isValid = false;
    this.#fills.clear();
    this.#watchers.notifyAll();
  }

  #clear(): void {
    this.#entries.clear();
    this.#invalidateFills();
  }

  /** Without an answer trust runs out by itself. It returns with the next answer, before which every invalidation has arrived. */
  async #confirm(): Promise<void> {
    const session = this.#timer;
    if (this.#asking === session) return;
    this.#asking = session;
    const when = performance.now();
    this.#askedAt = when;
    try {
      await this.#tracking?.confirm();
      // Every invalidation from before `when` has arrived.
      if (session === this.#timer) this.trustedUntil = when + this.#trustTime;
    } catch (error) {
      // A lost connection reports itself. Unsupported: tracking was switched off from outside.
      if (session === this.#timer && error instanceof UnsupportedError) this.refused(error);
    } finally {
      if (this.#asking === session) this.#asking = undefined;
    }
  }
}
