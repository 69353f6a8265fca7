// Work at a constant rate, as requests come to an application: a call is started whether or not those before it have settled.
// Every value is unique and names its key, so that a wrong answer can be seen.

const every = 10;
const keys = 200;
const pad = 'x'.repeat(1000);

export class Load {
  wrong = 0;
  stale = 0;
  #cache;
  #shares;
  #timer;
  #next = 0;
  #fresh = 0;
  /** Per key: the last value that was handed to `set`, and the last whose `set` said that it was stored. */
  #written = new Array(keys).fill(0);
  #stored = new Array(keys).fill(0);
  #sample;

  /**
   * @param cache a promise of the contender: what opening it costs is part of the calls that wait for it
   * @param shares what keys are made with so that together they lead to every part of Redis
   */
  constructor(cache, shares) {
    this.#cache = cache;
    this.#shares = shares;
  }

  start() {
    this.#timer ??= setInterval(() => {
      for (let i = 0; i < 2; i++) {
        const at = this.#next++ % keys;
        this.#observe('set', this.#set(at));
        this.#observe('get', this.#get((at + keys / 2) % keys));
        this.#observe('wrap', this.#wrap());
      }
    }, every);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Calls that start from now on, for these milliseconds, are the sample. */
  sample(milliseconds) {
    this.#sample = { until: performance.now() + milliseconds, calls: 0, settled: [], rejected: 0, wraps: 0, made: 0 };
  }

  /** What became of the sample so far. What settles later counts as not settled. */
  sampled() {
    const { calls, settled, rejected, wraps, made } = this.#sample;
    this.#sample = undefined;
    settled.sort((a, b) => a - b);
    // Of all calls: where most never settle there is no median.
    const at = (rank) => (rank < settled.length ? settled[rank] : null);
    return {
      calls,
      unsettled: calls - settled.length,
      rejected,
      p50: at(Math.floor((calls - 1) / 2)),
      max: settled.length === calls ? at(calls - 1) : null,
      wraps,
      made,
    };
  }

  /** A value that was just set comes back, of every share: all of Redis is in use again. */
  async probe(i) {
    const cache = await this.#cache;
    const came = this.#shares.map(async (share) => {
      const key = `probe:${share}${i}`;
      await cache.set(key, { key });
      return (await cache.get(key))?.key === key;
    });
    return (await Promise.all(came)).every(Boolean);
  }

  async #set(at) {
    const version = ++this.#written[at];
    const cache = await this.#cache;
    const result = await cache.set(`key:${at}`, { key: `key:${at}`, version, pad });
    // Some say by `false` that nothing was stored, as their types promise.
    if (result !== false) this.#stored[at] = Math.max(this.#stored[at], version);
  }

  async #get(at) {
    const cache = await this.#cache;
    const least = this.#stored[at];
    const value = await cache.get(`key:${at}`);
    if (value === undefined || value === null) return;
    if (value.key !== `key:${at}` || !(value.version >= 1 && value.version <= this.#written[at])) this.wrong++;
    else if (value.version < least) this.stale++;
  }

  async #wrap() {
    const key = `wrap:${this.#fresh++}`;
    const cache = await this.#cache;
    const value = await cache.wrap(key, async () => ({ key, pad }));
    if (value?.key === key) return true;
    this.wrong++;
    return false;
  }

  #observe(kind, call) {
    const sample = this.#sample;
    const start = performance.now();
    const counted = sample !== undefined && start < sample.until;
    if (counted) {
      sample.calls++;
      if (kind === 'wrap') sample.wraps++;
    }
    const settled = (failed, result) => {
      // By then `sampled` may have been asked: that call hung for too long.
      if (!counted || sample !== this.#sample) return;
      sample.settled.push(performance.now() - start);
      if (failed) sample.rejected++;
      else if (kind === 'wrap' && result) sample.made++;
    };
    call.then(
      (result) => settled(false, result),
      () => settled(true),
    );
  }
}
