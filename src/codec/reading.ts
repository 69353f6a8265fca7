import { inTurn } from '../time/turns.js';
import type { Frame, Stored } from './entry.js';
import type { Limits, Quota } from './limits.js';
import { type Codec, type Format, type MaybePromise, utf8 } from './serializers.js';

/** Smaller payloads are decoded at once: each takes a fraction of a millisecond. */
const turnSize = 64 * 1024;
/** Of many values in one call, smaller ones take turns too. */
const turnSizeOfMany = 1024;

const takesTurn = (size: number, quota: Quota | undefined): boolean => size >= (quota ? turnSizeOfMany : turnSize);

/** From payloads to values, within limits: what holds too much is refused before it is parsed, and large ones take turns. */
export class Reading {
  /** That of the call whose payload is decoded now. Encryption, which is between the two, knows nothing of it. */
  quota: Quota | undefined;
  readonly #limits: Limits;
  /** The length of a text that needs neither a count nor a turn. */
  readonly #short: number;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#short = Math.min(turnSize - 1, limits.uncounted);
  }

  text<T>(stored: Stored, parse: (text: string) => T): MaybePromise<T> {
    if (stored.length <= this.#short && this.quota === undefined) return parse(typeof stored === 'string' ? stored : utf8(stored));
    const { quota } = this;
    return takesTurn(stored.length, quota) ? inTurn(() => this.#text(stored, parse, quota)) : this.#text(stored, parse, quota);
  }

  framed(format: Format, { text }: Frame, payload: Buffer, quota: Quota | undefined): MaybePromise<unknown> {
    const bounded = (content: string): string => {
      this.#limits.checkText(content, quota);
      return content;
    };
    const decode = (): unknown => {
      if (format.skim && !text) this.#limits.checkBytes(payload, format.skim, quota);
      return format.decode(payload, text, bounded);
    };
    return takesTurn(payload.length, quota) ? inTurn(decode) : decode();
  }

  #text<T>(stored: Stored, parse: (text: string) => T, quota: Quota | undefined): T {
    const text = typeof stored === 'string' ? stored : utf8(stored);
    this.#limits.checkText(text, quota);
    return parse(text);
  }
}

/** The codec with a bound on the size of what is read, and on what the values of one call take together. */
export function limited(codec: Codec, limits: Limits, read: Reading): Codec {
  return {
    ...codec,
    newQuota: (values) => limits.newQuota(values),
    decode(entry, redisKey, quota) {
      limits.checkSize(entry.payload, codec.encrypted);
      if (quota === undefined) return codec.decode(entry, redisKey);
      read.quota = quota;
      try {
        return codec.decode(entry, redisKey);
      } finally {
        read.quota = undefined;
      }
    },
    reencode(entry, redisKey) {
      limits.checkSize(entry.payload, codec.encrypted);
      return codec.reencode(entry, redisKey);
    },
  };
}
