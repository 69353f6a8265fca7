import { parse } from '../codec/keyv-json.js';
import type { CacheError } from '../errors.js';
import type { StoreOptions } from '../options.js';

/** What Keyv stores, once it is read: the value, and when it expires in milliseconds since 1970. */
export interface Envelope {
  readonly value?: unknown;
  readonly expires?: number | null;
}

/** A value that Keyv's serializer refused, handed on to the adapter in place of text: Keyv itself would reject, and `wrap` lose the value. */
export class Unencodable {
  constructor(readonly reason: CacheError) {}
}

/**
 * What the text is that Keyv hands over: JSON, unless the Keyv has a serializer of its own. Text that Keyv cannot read must not reach it: it
 * would reject, and quote the text.
 */
export class KeyvTexts {
  readonly #parse: ((text: string) => unknown) | undefined;
  /** Whether the Keyv writes something else than JSON. */
  #foreign = false;

  /** `parse`: what the Keyv reads with, if that reports unreadable text by itself and gives nothing. */
  constructor(parse?: (text: string) => unknown) {
    this.#parse = parse;
  }

  /** Learns from what is written. */
  written(value: unknown): void {
    if (typeof value === 'string' && value.charCodeAt(0) !== brace) this.#foreign = true;
  }

  /** Whether the text can be handed to Keyv. */
  accepts(text: string): boolean {
    return this.#parse !== undefined || this.#foreign || isJsonObject(text);
  }

  /** The same for an iterator of Keyv 4 and 5, which ends with an error at text that gives no envelope. */
  async iterable(stored: unknown): Promise<boolean> {
    if (typeof stored !== 'string' || this.#parse === undefined) return true;
    return typeof (await this.#parse(stored)) === 'object';
  }
}

const brace = 0x7b;

function isJsonObject(text: string): boolean {
  if (text.charCodeAt(0) !== brace) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Options whose functions are given the value, though the adapter is given Keyv's envelope around it, as text or as an object. */
export function seeingValues(options: StoreOptions): StoreOptions {
  const { isCacheable, ttl, tags } = options;
  return {
    ...options,
    ...(typeof isCacheable === 'function' ? { isCacheable: (stored: unknown) => isCacheable(valueIn(stored)) } : {}),
    ...(typeof tags === 'function' ? { tags: (key: string, stored: unknown) => tags(key, valueIn(stored)) } : {}),
    ...(typeof ttl === 'function' ? { ttl: (stored: unknown) => ttl(valueIn(stored)) } : {}),
  };
}

function valueIn(stored: unknown): unknown {
  let envelope = stored;
  if (typeof stored === 'string') {
    try {
      envelope = parse(stored);
    } catch {
      // A serializer of the user's own: its text is all there is to see.
      return stored;
    }
  }
  return typeof envelope === 'object' && envelope !== null && 'value' in envelope ? envelope.value : stored;
}
