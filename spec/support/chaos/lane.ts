import type { Socket } from 'node:net';
import type { Condition, Way } from './condition.js';
import type { Pipe } from './pipe.js';
import type { Random } from './random.js';

/** The end of a stream, after the bytes before it. */
const end = Symbol('end');

/** A narrow network takes so much of a connection ahead. The rest stays at the sender. */
const ahead = 16 * 1024;
/** It takes bytes in pieces of this size. */
const packet = 4 * 1024;

/** One direction of a connection: bytes wait here until the network lets them through. */
export class Lane {
  readonly #waiting: { bytes: Buffer | typeof end; due: number }[] = [];
  #condition: Condition = { kind: 'open' };
  #timer: NodeJS.Timeout | undefined;
  #lost = false;
  #over = false;
  #budget = Number.POSITIVE_INFINITY;

  constructor(
    readonly way: Way,
    readonly from: Socket,
    readonly to: Socket,
    readonly pipe: Pipe,
    readonly random: Random,
  ) {
    from.on('data', (bytes) => this.#take(bytes));
    from.once('close', () => this.#take(end));
    to.once('close', () => this.#end());
  }

  become(condition: Condition): void {
    this.#condition = condition;
    this.#budget =
      condition.kind === 'cut' && this.way === 'replies' ? this.random.integer(condition.from, condition.to) : Number.POSITIVE_INFINITY;
    for (const piece of this.#waiting) piece.due = 0;
    this.#pass();
  }

  #take(bytes: Buffer | typeof end): void {
    const condition = this.#condition;
    if (bytes !== end) {
      if (condition.kind === 'swallow' && (condition.way === this.way || condition.way === 'both')) this.#lost = true;
      if (this.#lost) return;
    }
    const size = condition.kind === 'narrow' ? packet : Number.POSITIVE_INFINITY;
    if (bytes === end || bytes.length <= size) this.#wait(bytes);
    else for (let i = 0; i < bytes.length; i += size) this.#wait(bytes.subarray(i, i + size));
    this.#pass();
  }

  #wait(bytes: Buffer | typeof end): void {
    const condition = this.#condition;
    const delay = condition.kind === 'late' ? condition.by + this.random.next() * condition.jitter : 0;
    const due = this.pipe.due(bytes === end ? 0 : bytes.length, condition) + delay;
    this.#waiting.push({ bytes, due: Math.max(due, this.#waiting.at(-1)?.due ?? 0) });
  }

  /** The receiver of the waiting bytes is gone. */
  #end(): void {
    this.#over = true;
    this.#waiting.length = 0;
    clearTimeout(this.#timer);
  }

  #pass(): void {
    clearTimeout(this.#timer);
    if (this.#over) return;
    this.#passDue();
    // What waits in the kernel's buffers of a frozen network counts as on its way.
    if (this.#condition.kind === 'frozen' || (this.#condition.kind === 'narrow' && this.#held > ahead)) this.from.pause();
    else this.from.resume();
  }

  get #held(): number {
    return this.#waiting.reduce((sum, { bytes }) => sum + (bytes === end ? 0 : bytes.length), 0);
  }

  /** Lets through what may pass now, and comes back for the rest. */
  #passDue(): void {
    const { kind } = this.#condition;
    if (kind === 'frozen') return;
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const wait = first.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pass(), wait);
        return;
      }
      if (first.bytes === end) {
        // A network that loses everything reports no end of a connection.
        if (kind === 'swallow') return;
        this.#waiting.shift();
        this.to.destroySoon();
      } else if (this.#condition.kind === 'drip') {
        const { bytes, every } = this.#condition;
        this.#write(first.bytes.subarray(0, bytes));
        first.bytes = first.bytes.subarray(bytes);
        if (first.bytes.length === 0) this.#waiting.shift();
        this.#timer = setTimeout(() => this.#pass(), every);
        return;
      } else {
        this.#waiting.shift();
        this.#write(first.bytes);
      }
    }
  }

  #write(bytes: Buffer): void {
    if (!this.to.writable) return;
    this.to.write(bytes.subarray(0, Math.max(0, this.#budget)));
    this.#budget -= bytes.length;
    if (this.#budget > 0) return;
    this.to.destroySoon();
    this.from.destroy();
  }
}
