import { inTurn } from '../time/turns.js';
import type { Frame, Stored } from './entry.js';
import type { Limits, Quota } from './limits.js';
import { type Format, type MaybePromise, utf8 } from './serializers.js';

/** Smaller payloads are decoded at once: each takes a fraction of a millisecond. */
const turnSize = 64 * 1024;
/** Of many values in one call, smaller ones take turns too. */
const turnSizeOfMany = 1024;

const takesTurn = (size: number, quota: Quota | undefined): boolean => size >= (quota ? turnSizeOfMany : turnSize);

/** What a serializer returned. In a box, for it may be a promise that never settles: what waits for the decoding must not wait for that. */
export interface Decoded {
  readonly value: unknown;
}

/** From payloads to values, within limits: what holds too much is refused before it is parsed, and large ones take turns. */
export class Reading {
  /** What the values of the call may take together whose payload is decoded now. Encryption, which is between the two, knows nothing of it. */
  quota: Quota | undefined;
  readonly #limits: Limits;
  /** The length of a text that needs neither a count nor a turn. */
  readonly #short: number;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#short = Math.min(turnSize - 1, limits.uncounted);
  }

  /** Whether a text needs neither a count nor a turn. */
  isShort(stored: Stored): boolean {
    return stored.length <= this.#short && this.quota === undefined;
  }

  text<T>(stored: Stored, parse: (text: string) => T): MaybePromise<T> {
    if (this.isShort(stored)) return parse(textOf(stored));
    const { quota } = this;
    return takesTurn(stored.length, quota) ? inTurn(() => this.#text(stored, parse, quota)) : this.#text(stored, parse, quota);
  }

  framed(format: Format, { text }: Frame, payload: Buffer, quota: Quota | undefined): MaybePromise<Decoded> {
    const bounded = (content: string): string => {
      this.#limits.checkText(content, quota);
      return content;
    };
    const decode = (): Decoded => {
      if (format.skim && !text) this.#limits.checkBytes(payload, format.skim, quota);
      return { value: format.decode(payload, text, bounded) };
    };
    return takesTurn(payload.length, quota) ? inTurn(decode) : decode();
  }

  #text<T>(stored: Stored, parse: (text: string) => T, quota: Quota | undefined): T {
    const text = textOf(stored);
    this.#limits.checkText(text, quota);
    return parse(text);
  }
}

export function textOf(stored: Stored): string {
  return typeof stored === 'string' ? stored : utf8(stored);
}
