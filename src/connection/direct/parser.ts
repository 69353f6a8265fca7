import type { Reply } from '../connection.js';

/** The handlers and settings of a parser: the options of the npm package `redis-parser`. */
export interface ParserOptions {
  /** A complete reply. */
  returnReply(reply: Reply): void;
  /** An error reply: the failure of its command only. */
  returnError(error: Error): void;
  /** Bytes that are no reply: the connection is closed. */
  returnFatalError(error: Error): void;
  /** Whether bulk strings are Buffers; always true here. */
  readonly returnBuffers: boolean;
}

/** Parses RESP 2: the contract of the npm package `redis-parser`. */
export interface Parser {
  /** Parses the next bytes from the socket, which may end anywhere. */
  execute(chunk: Buffer): void;
}

/** A parser class for the option `parser`: that of `redis-parser`, or your own. */
// biome-ignore lint/suspicious/noExplicitAny: redis-parser has no types of its own, and its option types are wider
export type ParserClass = new (options: any) => Parser;

const CR = 13;
const LF = 10;
const [status, failure, number, bulk, array] = [...Buffer.from('+-:$*')] as [number, number, number, number, number];

/** The parser of `parser: 'auto'`. Hands on each reply as soon as it is complete, and scans the bytes of an incomplete one once. */
export class ReplyParser implements Parser {
  readonly #options: ParserOptions;
  /** Incomplete arrays, the innermost last. */
  readonly #open: { readonly items: Reply[]; readonly size: number }[] = [];
  /** Bytes of an incomplete reply, and how many it takes to go on. */
  #held: Buffer[] = [];
  #heldSize = 0;
  #needed = 0;

  constructor(options: ParserOptions) {
    this.#options = options;
  }

  execute(chunk: Buffer): void {
    let data = chunk;
    if (this.#heldSize > 0) {
      this.#held.push(chunk);
      this.#heldSize += chunk.length;
      if (this.#heldSize < this.#needed) return;
      data = Buffer.concat(this.#held, this.#heldSize);
      this.#held = [];
      this.#heldSize = 0;
    }
    let at = 0;
    while (at < data.length) {
      const end = data.indexOf(CR, at);
      if (end === -1 || end + 1 === data.length) {
        this.#hold(data, at, data.length - at + 1);
        return;
      }
      const body = end + 2;
      const type = data[at];
      const size = type === bulk || type === array || type === number ? integer(data, at + 1, end) : 0;
      if (data[end + 1] !== LF || Number.isNaN(size)) {
        this.#fatal(data, at);
        return;
      }
      switch (type) {
        case bulk: {
          const after = size < 0 ? body : body + size + 2;
          if (after > data.length) {
            this.#hold(data, at, after - at);
            return;
          }
          at = after;
          this.#complete(size < 0 ? null : data.subarray(body, after - 2));
          break;
        }
        case array:
          at = body;
          if (size > 0) this.#open.push({ items: [], size });
          else this.#complete(size < 0 ? null : []);
          break;
        case number:
          at = body;
          this.#complete(size);
          break;
        case status:
          this.#complete(data.toString('latin1', at + 1, end));
          at = body;
          break;
        case failure:
          this.#complete(new Error(data.toString('utf8', at + 1, end)) as unknown as Reply);
          at = body;
          break;
        default:
          this.#fatal(data, at);
          return;
      }
    }
  }

  #hold(data: Buffer, at: number, needed: number): void {
    this.#held = [data.subarray(at)];
    this.#heldSize = data.length - at;
    this.#needed = needed;
  }

  #complete(reply: Reply): void {
    let whole = reply;
    for (let array = this.#open.at(-1); array; array = this.#open.at(-1)) {
      if (array.items.push(whole) < array.size) return;
      this.#open.pop();
      whole = array.items;
    }
    if ((whole as unknown) instanceof Error) this.#options.returnError(whole as unknown as Error);
    else this.#options.returnReply(whole);
  }

  /** What stands there may be a part of a value: only its first byte is shown. */
  #fatal(data: Buffer, at: number): void {
    const error = new Error(`protocol error: the byte ${data[at]} begins no reply`);
    this.#options.returnFatalError(Object.assign(error, { code: 'ERR_PROTOCOL' }));
  }
}

function integer(data: Buffer, start: number, end: number): number {
  const negative = data[start] === 0x2d;
  let value = 0;
  for (let i = negative ? start + 1 : start; i < end; i++) {
    const digit = (data[i] as number) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return end === start ? Number.NaN : negative ? -value : value;
}
