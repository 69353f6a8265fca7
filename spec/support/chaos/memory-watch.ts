import { collectGarbage } from './resources.js';

const mib = 2 ** 20;

/** Bytes that the process may hold during a fault beyond those of before: what is under way, buffers of sockets, and what is remembered. */
const maxHeld = 24 * mib;
/** Resident memory may grow by more, for what is garbage stays for a while. */
const maxResident = 128 * mib;

/** Memory of the process while Redis fails: it must not grow without bound. */
export class MemoryWatch {
  readonly #timer: NodeJS.Timeout;
  readonly #held: number;
  readonly #resident = process.memoryUsage.rss();
  #peak = 0;
  /** The most that was held at a {@link check}, beyond what was held before. */
  grown = 0;

  constructor() {
    this.#held = held();
    this.#timer = setInterval(() => {
      this.#peak = Math.max(this.#peak, process.memoryUsage.rss() - this.#resident);
    }, 50);
  }

  /** @returns what grows too much, in words */
  check(): string[] {
    const grown = held() - this.#held;
    this.grown = Math.max(this.grown, grown);
    const found = [];
    if (grown > maxHeld) found.push(`${Math.round(grown / mib)} MiB more are held`);
    if (this.#peak > maxResident) found.push(`${Math.round(this.#peak / mib)} MiB more are resident`);
    return found;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Bytes in use, without garbage, and with those of Buffers. */
function held(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
