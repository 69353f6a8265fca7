import type { Socket } from 'node:net';
import { BackpressureError } from '../errors.js';
import { clearInterval, performance, setImmediate, setInterval } from '../time/clock.js';
import { tick } from '../time/deadlines.js';
import type { Milliseconds } from '../ttl.js';
import type { Argument, Batch, Caller, PendingReply } from './connection.js';

export interface OutgoingOptions {
  /** Writes the command to the socket. */
  readonly write: (args: readonly Argument[], pending: PendingReply, caller: Caller | undefined) => void;
  /** How many bytes may wait in this process. Left out: no bound. */
  readonly maxPendingBytes?: number | undefined;
  /** The socket that the session writes to, if it is known. */
  readonly socket: () => Socket | undefined;
  /** How many commands have been sent, and how many have been answered. */
  readonly commands: { readonly sent: number; readonly settled: number };
  /** A call ended whose bytes the network has not taken yet, and can only be kept from sending by ending the connection. */
  readonly onStuck: (error: Error) => void;
}

/** A command that waits until the network takes more. */
interface WaitingCommand {
  readonly size: number;
  readonly args: readonly Argument[];
  readonly pending: PendingReply;
  readonly caller: Caller | undefined;
  /** It is refused at this check. */
  readonly until: number;
}

/** At most this many bytes are written in one turn of the event loop: what is with the socket cannot be withdrawn. */
const maxBatch = 256 * 1024;
/** A smaller batch is looked at by the next check only. */
const smallBatch = 16 * 1024;
/** At most this many bytes may be without an answer. They may wait in the kernel, in the network or with the server. */
const window = { first: 2 ** 20, min: 2 ** 16, max: 2 ** 24 };
/** What is answered so much later than a few bytes are was too much at a time. */
const slow: Milliseconds = 250;
/** The longest time of a few bytes that is taken for the way to the server and back. */
const maxDistance: Milliseconds = 500;
/** So often are a few bytes timed before that counts: this process may have been busy. */
const minTimings = 3;
/** Commands that may be without an answer. Their callers may have given up: what is kept for them is bounded here. */
const maxUnanswered = 100_000;

/**
 * Holds back what the network does not take, or the server does not answer soon: further commands wait here, and leave only if their callers
 * still wait. One that has waited for half of its deadline is refused: later it could not be answered in time. One command may always be sent
 * alone, however large it is.
 */
export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #waiting = new Set<WaitingCommand>();
  #waitingBytes = 0;
  /** The commands that were sent since the socket was last known to be empty. */
  #batch: OutgoingBatch;
  #batchBytes = 0;
  /** As many commands as there may be are without an answer. */
  #isFull = false;
  #drained = 0;
  /** Bytes without an answer, as far as is known: when so many commands are answered, so many bytes are. */
  #unanswered = 0;
  #mark: { readonly settled: number; readonly bytes: number; readonly at: Milliseconds } | undefined;
  #window = window.first;
  /** How soon a few bytes were answered at best, and how often they were timed: a server that is far away is not slow. */
  #distance = maxDistance;
  #timings = 0;
  #isLooking = false;
  #checks = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#batch = new OutgoingBatch(options.onStuck);
  }

  /** How many batches the network has taken after it first did not: a sign of life. */
  get drained(): number {
    return this.#drained;
  }

  /** Writes the command when there is room; rejects it if that takes too long, or if too much waits already. */
  send(args: readonly Argument[], pending: PendingReply, caller: Caller | undefined): void {
    const size = sizeOf(args);
    if (this.#waiting.size === 0 && this.#fits(size)) this.#write(args, pending, caller, size);
    else this.#wait(args, pending, caller, size);
  }

  #fits(size: number): boolean {
    if (this.#batch.isHeld || this.#isFull) return false;
    return this.#unanswered === 0 || (this.#unanswered + size <= this.#window && this.#batchBytes + size <= maxBatch);
  }

  #write(args: readonly Argument[], pending: PendingReply, caller: Caller | undefined, size: number): void {
    this.#options.write(args, pending, caller);
    this.#batchBytes += size;
    this.#unanswered += size;
    if (caller) caller.batch = this.#batch;
    if (this.#batchBytes > smallBatch) this.look();
  }

  /** A command was answered. */
  answered(): void {
    if (this.#waiting.size > 0) this.look();
  }

  #wait(args: readonly Argument[], pending: PendingReply, caller: Caller | undefined, size: number): void {
    const { maxPendingBytes = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#waitingBytes + size > maxPendingBytes) {
      pending.reject(new BackpressureError(`${maxPendingBytes} bytes wait already, the limit that \`maxPendingBytes\` sets`));
      return;
    }
    const until = caller ? this.#checks + Math.ceil(caller.timeout / 2 / tick) : Number.POSITIVE_INFINITY;
    this.#waiting.add({ size, args, pending, caller, until });
    this.#waitingBytes += size;
    this.#timer ??= setInterval(this.#check, tick);
    this.look();
  }

  /** Looks, after the writes of this turn, what was taken and answered. */
  look(): void {
    if (this.#isLooking || (this.#unanswered === 0 && this.#waiting.size === 0)) return;
    this.#isLooking = true;
    setImmediate(this.#look);
  }

  /** The connection is gone. */
  stop(error: Error): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#waitingBytes = this.#batchBytes = this.#unanswered = 0;
    this.#batch.isHeld = false;
    const refused = [...this.#waiting];
    this.#waiting.clear();
    for (const { pending } of refused) pending.reject(error);
  }

  readonly #look = (): void => {
    this.#isLooking = false;
    const socket = this.#options.socket();
    if (!socket?.writable || socket.writableLength === 0) this.#taken();
    // What is corked has not been offered to the network yet.
    else if (!this.#batch.isHeld && socket.writableCorked === 0) this.#hold(socket);
  };

  /** The network does not take all of the batch. Node tells when it has, but not where the application has replaced `process.nextTick`. */
  #hold(socket: Socket): void {
    const batch = this.#batch;
    batch.isHeld = true;
    socket.write('', () => {
      if (this.#batch === batch) this.#taken();
    });
  }

  #taken(): void {
    if (this.#batch.isHeld) this.#drained++;
    this.#batch.isHeld = false;
    this.#batch = new OutgoingBatch(this.#options.onStuck);
    this.#batchBytes = 0;
    this.#countAnswered();
    this.#release();
  }

  /** The window adapts to how soon what was sent is answered. */
  #countAnswered(): void {
    const { sent, settled } = this.#options.commands;
    const now = performance.now();
    this.#isFull = sent - settled >= maxUnanswered;
    if (this.#mark && settled >= this.#mark.settled) {
      const time = now - this.#mark.at;
      if (this.#mark.bytes <= window.min) {
        // Without load, answers are looked at with every tick only.
        this.#distance = Math.max(0, Math.min(this.#distance, time - tick));
        this.#timings++;
      }
      const delay = this.#timings < minTimings ? time : time - this.#distance;
      if (delay > slow) this.#window = Math.max(window.min, this.#window / 2);
      else if (delay < slow / 2 && this.#waiting.size > 0) this.#window = Math.min(window.max, this.#window * 2);
      this.#unanswered -= this.#mark.bytes;
      this.#mark = undefined;
    }
    if (this.#unanswered > 0) this.#mark ??= { settled: sent, bytes: this.#unanswered, at: now };
  }

  #release(): void {
    for (const next of this.#waiting) {
      if (!this.#fits(next.size)) break;
      this.#take(next);
      if (next.caller?.waiting ?? true) this.#write(next.args, next.pending, next.caller, next.size);
      else next.pending.reject(new BackpressureError('its caller no longer waits'));
    }
    // Without a new batch they wait for answers.
    if (this.#waiting.size > 0 && this.#batchBytes > 0) this.look();
  }

  #take(command: WaitingCommand): void {
    this.#waiting.delete(command);
    this.#waitingBytes -= command.size;
  }

  readonly #check = (): void => {
    this.#checks++;
    for (const command of this.#waiting) {
      if (command.until >= this.#checks && (command.caller?.waiting ?? true)) continue;
      this.#take(command);
      command.pending.reject(new BackpressureError('the command waited for half of its time', true));
    }
    this.look();
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  };
}

class OutgoingBatch implements Batch {
  /** The network has not taken all of it. */
  isHeld = false;
  readonly #onStuck: OutgoingOptions['onStuck'];

  constructor(onStuck: OutgoingOptions['onStuck']) {
    this.#onStuck = onStuck;
  }

  onOver(): void {
    // Other commands of the connection may have arrived: for them it is lost like any other.
    if (this.isHeld) this.#onStuck(new Error('a call has ended whose bytes the network has not taken'));
  }
}

/** About how many bytes the command has on its way. */
function sizeOf(args: readonly Argument[]): number {
  let size = 0;
  for (let i = 0; i < args.length; i++) size += (args[i] as Argument).length + 16;
  return size;
}
