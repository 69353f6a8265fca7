import type { Face } from './faces.js';
import type { History } from './history.js';
import { Lag } from './lag.js';

export interface Figures {
  calls: number;
  /** Calls that rejected, or said that they had not written. */
  failed: number;
  /** Values that were read. */
  hits: number;
  /** The longest that a call took, without the time in which the process did not run. */
  slowest: number;
}

/** What a call has to settle in. */
export interface Bounds {
  /** Deadline of the stores, in milliseconds. */
  readonly timeout: number;
  /** How far past it a call may settle. */
  readonly slack: number;
}

/** What rejects where it fails, whatever `onFailure` says. */
const loud = ['delete', 'invalidateTags'];

/** Runs calls, and checks that each settles in its time, and how. */
export class Calls {
  readonly figures: Figures = { calls: 0, failed: 0, hits: 0, slowest: 0 };
  readonly #history: History;
  readonly #bounds: Bounds;
  readonly #lag = new Lag();
  readonly #underWay = new Map<symbol, string>();

  constructor(history: History, bounds: Bounds) {
    this.#history = history;
    this.#bounds = bounds;
  }

  /** Those that are still under way should not be. */
  abandon(): void {
    for (const name of this.#underWay.values()) this.#history.violation(`${name} did not settle at all`);
    this.#underWay.clear();
  }

  stop(): void {
    this.#lag.stop();
  }

  /** One call, timed. Gives `undefined` where it rejects. `waits`: how often the store had waited for another when a load began. */
  async run<T>(face: Face, operation: string, call: () => Promise<T>, waits?: number): Promise<T | undefined> {
    const name = `${operation}, ${face.title}`;
    const id = Symbol(name);
    // The lag first, and last: where the process stops between the two, that is no time of the call's.
    const lag = this.#lag.total;
    const began = performance.now();
    this.#underWay.set(id, name);
    this.figures.calls++;
    try {
      return await call();
    } catch (error) {
      this.figures.failed++;
      const { code } = error as { code?: unknown };
      if (!face.throwing && !loud.includes(operation)) this.#history.violation(`${name} rejected: ${String(error)}`);
      if (typeof code !== 'string' || !code.startsWith('ERR_'))
        this.#history.violation(`${name} rejected with no error of ours: ${String(error)}`);
      return undefined;
    } finally {
      this.#underWay.delete(id);
      const took = performance.now() - began - (this.#lag.total - lag);
      this.figures.slowest = Math.max(this.figures.slowest, took);
      const { timeout, slack } = this.#bounds;
      const waited = waits !== undefined && face.leaseWaits() !== waits;
      // What another store makes is waited for, and not counted, while Redis answers. Functions take no time here, so it has to be there by its deadline.
      const ofOthers = waited ? timeout : 0;
      if (took > timeout * face.operations + ofOthers + slack)
        this.#history.violation(
          `${name} took ${Math.round(took)} ms, with a timeout of ${timeout} ms${waited ? ', waiting for another' : ''}`,
        );
    }
  }
}
