import { deserialize, serialize } from 'node:v8';
import { OptionError, shown } from '../errors.js';
import * as keyvJson from './keyv-json.js';

/** A value that may be there already. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * `await` that stays synchronous where there is nothing to wait for.
 * @internal
 */
export function then<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Turns values into text and back: `JSON`, superjson, devalue and most others have this shape. */
export interface TextSerializer {
  /** Written in front of stored values so that no other serializer reads them. Default `'custom'`. */
  readonly name?: string | undefined;
  stringify(value: unknown): MaybePromise<string>;
  parse(text: string): unknown;
}

/** Turns values into bytes (or text) and back. `deserialize` is given what `serialize` returned. */
export interface BinarySerializer {
  /** Written in front of stored values so that no other serializer reads them. Default `'custom'`. */
  readonly name?: string | undefined;
  serialize(value: unknown): MaybePromise<string | Uint8Array>;
  // biome-ignore lint/suspicious/noExplicitAny: it is handed back exactly what it produced
  deserialize(stored: any): unknown;
}

export type Serializer = TextSerializer | BinarySerializer;

/** What msgpackr's `Packr` instances and its module offer. */
export interface MessagePack {
  pack(value: unknown): Uint8Array;
  unpack(bytes: Uint8Array): unknown;
}

/** Native JSON: what `JSON.parse(JSON.stringify(value))` gives. Stored as plain JSON. */
export const jsonSerializer = {
  name: 'json',
  stringify: JSON.stringify,
  parse: JSON.parse,
} as const satisfies TextSerializer;

/** The default: exactly the results of `@keyv/serialize`, which is JSON in which Buffers survive at any depth. */
export const keyvSerializer = {
  name: 'keyv',
  stringify: keyvJson.stringify,
  parse: keyvJson.parse,
} as const satisfies TextSerializer;

/** `node:v8` structured clone: Map, Set, Date, RegExp, BigInt, typed arrays, Errors and cycles survive. Node only. */
export const v8Serializer = {
  name: 'v8',
  serialize,
  deserialize: (bytes: Buffer): unknown => deserialize(bytes),
} as const satisfies BinarySerializer;

/**
 * MessagePack by msgpackr, which you install: `msgpackSerializer(require('msgpackr'))`, or a `Packr` of your own settings.
 *
 * @throws {OptionError} where what came is not msgpackr
 */
export function msgpackSerializer(msgpackr: MessagePack): BinarySerializer {
  if (typeof msgpackr?.pack !== 'function' || typeof msgpackr.unpack !== 'function') {
    throw new OptionError(
      `expected \`msgpackSerializer\` to be given the msgpackr module (npm install msgpackr; \`import * as msgpackr from 'msgpackr'\`), got \`${shown(msgpackr)}\``,
    );
  }
  return {
    name: 'msgpack',
    serialize: (value) => msgpackr.pack(value),
    deserialize: (bytes: Buffer) => msgpackr.unpack(bytes),
  };
}
