import { clearInterval, performance, setImmediate, setInterval } from '../time/clock.js';
import { maxLateness, tick } from '../time/deadlines.js';
import type { Milliseconds } from '../ttl.js';

/** Receives changes in liveness. */
export interface LivenessListener {
  /** Commands are in flight, and nothing has come for the timeout. */
  onSilent(): void;
  /** Something has come after that. */
  onAlive(): void;
  /** Called at every check. @returns what grows with each sign of life: bytes of a reply that is on its way, or that the network took */
  progress?(): number;
}

/** Detects a connection with commands in flight that shows no sign of life. Costs two counters for a command, and one coarse timer. */
export class LivenessMonitor {
  readonly #timeout: Milliseconds;
  readonly #listener: LivenessListener;
  #sent = 0;
  #settled = 0;
  #sawReply = false;
  #isSilent = false;
  #progress = 0;
  #lastLife = 0;
  #lastTick = 0;
  /** When the longest deadline of the callers ends, if it is longer than the timeout. */
  #waitUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeout: Milliseconds, listener: LivenessListener) {
    this.#timeout = timeout;
    this.#listener = listener;
  }

  /** How many commands have been sent. */
  get sent(): number {
    return this.#sent;
  }

  /** How many of these have been answered, or have failed with the connection. */
  get settled(): number {
    return this.#settled;
  }

  /** A command was sent. `timeout`: the deadline of its caller. */
  onSent(timeout = 0): void {
    this.#sent++;
    const time = timeout + maxLateness;
    if (time > this.#timeout) this.#waitUntil = Math.max(this.#waitUntil, performance.now() + time);
    if (this.#timer === undefined) this.#start();
  }

  /** A reply came, or the command failed with its connection. */
  onSettled(): void {
    this.#settled++;
    this.#sawReply = true;
  }

  /** The connection is gone, and every command in flight with it. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    this.#lastLife = this.#lastTick = performance.now();
    this.#sawReply = false;
    this.#progress = this.#listener.progress?.() ?? 0;
    this.#timer = setInterval(() => this.#check(), tick);
  }

  #check(): void {
    if (this.#timer === undefined) return;
    const now = performance.now();
    const lateness = now - this.#lastTick - tick;
    this.#lastTick = now;
    if (lateness > tick) {
      // Time in which the process was busy does not count. Replies that have arrived are read first.
      this.#lastLife += lateness;
      setImmediate(() => this.#check());
    } else if (this.#showsLife()) {
      this.#lastLife = now;
      if (this.#isSilent) this.#turn(false);
    } else if (this.#settled === this.#sent) this.stop();
    else if (!this.#isSilent && now - this.#lastLife >= this.#timeout && now >= this.#waitUntil) this.#turn(true);
  }

  #showsLife(): boolean {
    const progress = this.#listener.progress?.() ?? 0;
    const shows = this.#sawReply || progress !== this.#progress;
    this.#sawReply = false;
    this.#progress = progress;
    return shows;
  }

  #turn(isSilent: boolean): void {
    this.#isSilent = isSilent;
    if (isSilent) this.#listener.onSilent();
    else this.#listener.onAlive();
  }
}
