import type { Socket } from 'node:net';
import { BackpressureError, type ConnectionError } from '../errors.js';
import { clearInterval, performance, setImmediate, setInterval } from '../time/clock.js';
import { tick } from '../time/deadlines.js';
import type { Milliseconds } from '../ttl.js';
import type { Argument, Caller } from './connection.js';

export interface OutgoingOptions {
  /** How many bytes may wait in this process. Left out: no bound. */
  readonly maxPendingBytes?: number | undefined;
  /** The socket that the session writes to, if it is known. If not, what is answered has been taken. */
  readonly socket: () => Socket | undefined;
  /** How many commands have been sent, and how many have been answered. */
  readonly commands: { readonly sent: number; readonly settled: number };
  /** A call ended whose bytes the network has not taken yet, and can only be kept from sending by ending the connection. */
  readonly onStuck: (error: ConnectionError) => void;
}

/** A command that waits until the network takes more. */
interface WaitingCommand {
  readonly size: number;
  readonly caller: Caller;
  /** It is refused at this check. */
  readonly until: number;
  readonly send: () => void;
  readonly refuse: (error: ConnectionError) => void;
}

/** At most this many bytes are with the socket, unless one command has more. What waits here can still be withdrawn. */
const maxWindow = 256 * 1024;
const minWindow = 16 * 1024;
/** The same for bytes that are not answered, where the socket is not known: they may be with the network or with the server as well. */
const unansweredWindow = 4 * 1024 * 1024;
/** A smaller batch is looked at by the next check only. */
const smallBatch = 16 * 1024;
/** A batch that the network takes later than this was too large. */
const slowBatch: Milliseconds = 100;
/** Commands that may be without a reply. Their callers may have given up: what is kept for them is bounded here. */
const maxUnanswered = 100_000;

/**
 * Holds back what the network does not take. Commands are handed to the socket in batches; while it still has one to write, further ones
 * wait here, and leave only if their callers still wait. One that has waited for half of its deadline is refused: later it could not be
 * answered in time.
 */
export class Outgoing {
  readonly #options: OutgoingOptions;
  #waiting: WaitingCommand[] = [];
  #waitingBytes = 0;
  /** The commands handed to the socket since it was last known to be empty. */
  #handedBytes = 0;
  #callers: Caller[] = [];
  #window = maxWindow;
  /** Where the socket is not known: when so many commands are answered, so many bytes have been taken. */
  #mark: { readonly settled: number; readonly bytes: number } | undefined;
  #isLooking = false;
  /** Since when the socket is known to hold a batch. */
  #heldSince: Milliseconds | undefined;
  #drained = 0;
  #checks = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** How many batches were taken that the network first did not take: a sign of life. */
  get drained(): number {
    return this.#drained;
  }

  /** Whether a command of this size may be sent now. */
  hasRoom(size: number): boolean {
    if (this.#heldSince !== undefined || this.#waiting.length > 0) return false;
    const { sent, settled } = this.#options.commands;
    return (this.#handedBytes === 0 || this.#handedBytes + size <= this.#window) && sent - settled < maxUnanswered;
  }

  /** A command was sent. */
  handed(size: number, caller: Caller): void {
    this.#handedBytes += size;
    this.#callers.push(caller);
    if (this.#handedBytes > smallBatch) this.look();
  }

  /** Sends the command when there is room; refuses it if that takes too long, or if too much waits already. */
  wait(size: number, caller: Caller, send: () => void, refuse: (error: ConnectionError) => void): void {
    const { maxPendingBytes = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#handedBytes + this.#waitingBytes + size > maxPendingBytes) {
      refuse(new BackpressureError(`${maxPendingBytes} bytes wait already, the limit that \`maxPendingBytes\` sets`));
      return;
    }
    const until = this.#checks + Math.ceil(caller.timeout / 2 / tick);
    this.#waiting.push({ size, caller, until, send, refuse });
    this.#waitingBytes += size;
    this.#timer ??= setInterval(this.#check, tick);
    this.look();
  }

  /** Looks, after the writes of this turn, whether the network has taken what was handed to the socket. */
  look(): void {
    if (this.#isLooking || this.#heldSince !== undefined || (this.#handedBytes === 0 && this.#waiting.length === 0)) return;
    this.#isLooking = true;
    setImmediate(this.#look);
  }

  /** The connection is gone. */
  stop(error: ConnectionError): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#forget();
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const { refuse } of waiting) refuse(error);
  }

  readonly #look = (): void => {
    this.#isLooking = false;
    const socket = this.#options.socket();
    if (!socket) this.#takeAnswered();
    else if (socket.writableLength > 0 && socket.writable) this.#hold(socket);
    else {
      this.#window = Math.min(maxWindow, this.#window * 2);
      this.#taken();
    }
  };

  #takeAnswered(): void {
    const { sent, settled } = this.#options.commands;
    this.#window = unansweredWindow;
    this.#callers = [];
    if (this.#mark && settled >= this.#mark.settled) {
      this.#handedBytes -= this.#mark.bytes;
      this.#mark = undefined;
    }
    this.#mark ??= { settled: sent, bytes: this.#handedBytes };
    this.#release();
  }

  /** The network does not take all of the batch: Node tells when it has. */
  #hold(socket: Socket): void {
    const since = performance.now();
    this.#heldSince = since;
    const callers = this.#callers;
    const onOver = (): void => {
      if (this.#callers === callers) this.#options.onStuck(new BackpressureError('a call has ended whose bytes the network did not take'));
    };
    for (const caller of callers) caller.onOver = onOver;
    socket.write('', () => {
      if (this.#callers !== callers) return;
      this.#drained++;
      if (performance.now() - since > slowBatch) this.#window = Math.max(minWindow, this.#window / 2);
      this.#taken();
    });
  }

  #taken(): void {
    this.#forget();
    this.#release();
  }

  #forget(): void {
    this.#heldSince = undefined;
    this.#handedBytes = 0;
    this.#callers = [];
  }

  #release(): void {
    const waiting = this.#waiting;
    let i = 0;
    this.#waiting = [];
    for (let next = waiting[0]; next && this.hasRoom(next.size); next = waiting[++i]) {
      this.#waitingBytes -= next.size;
      if (next.caller.waiting) next.send();
      else next.refuse(new BackpressureError('its caller no longer waits'));
    }
    // What a listener sent meanwhile waits behind the others.
    this.#waiting = i === 0 ? waiting : waiting.slice(i).concat(this.#waiting);
    // If nothing is with the socket they wait for answers.
    if (this.#waiting.length > 0 && this.#options.socket() && this.#handedBytes > 0) this.look();
  }

  readonly #check = (): void => {
    this.#checks++;
    const isOver = ({ caller, until }: WaitingCommand): boolean => until < this.#checks || !caller.waiting;
    const over = this.#waiting.filter(isOver);
    if (over.length > 0) this.#waiting = this.#waiting.filter((command) => !isOver(command));
    for (const { size } of over) this.#waitingBytes -= size;
    for (const { refuse } of over) refuse(new BackpressureError('the network did not take the command in half of its time', true));
    this.look();
    if (this.#waiting.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  };
}

/** About how many bytes the command has on its way. */
export function sizeOf(args: readonly Argument[]): number {
  let size = 0;
  for (let i = 0; i < args.length; i++) size += (args[i] as Argument).length + 16;
  return size;
}
