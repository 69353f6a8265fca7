import { decodeError, encodeError } from '../codec/explain.js';
import { isPlain, parse, stringify } from '../codec/keyv-json.js';
import { storable } from '../codec/storable.js';
import { type CacheError, CodecError } from '../errors.js';
import { type Envelope, Unencodable } from './envelope.js';

/** The two halves of a serializer, by whatever names a Keyv major has for them. */
export interface TextFunctions {
  stringify(data: unknown): unknown;
  parse(text: string): unknown;
}

/** What `createKeyv` writes under Keyv 5 unless told otherwise: the text of `@keyv/serialize`, by native JSON where that is the same. */
export const standard: TextFunctions = { stringify, parse };

/** Whom guarded functions report to. */
export interface Reader {
  /** Whether Keyv iterates. */
  readonly iterating: boolean;
  /** Emits an error of a stored entry. */
  unreadable(error: CacheError): void;
}

/**
 * The same functions without their errors, for Keyv passes those on: a value that cannot be encoded reaches the adapter as
 * {@link Unencodable}, and unreadable text is a miss that `reader` is told of. `json`: whether they write JSON, in which case values that JSON
 * would lose are refused.
 */
export function guarded(functions: TextFunctions, reader: Reader, json: boolean): TextFunctions {
  const unencodable = (error: unknown): Unencodable => new Unencodable(encodeError(error));
  const unreadable = (error: unknown): undefined => reader.unreadable(decodeError(error)) as undefined;

  /** An entry that expired on its way here is a miss. Keyv would delete it, which takes another round trip. */
  function fresh(data: unknown): Envelope | undefined {
    if (typeof data !== 'object' || data === null) throw new CodecError('the stored text is no entry of a Keyv');
    const { expires } = data as Envelope;
    if (typeof expires !== 'number' || Date.now() <= expires) return data;
    // Its iterators demand an envelope.
    return reader.iterating ? { expires: 0 } : undefined;
  }

  return {
    stringify(data) {
      try {
        const { value } = data as Envelope;
        // Not text, so that the adapter stores nothing.
        if (value === undefined) return undefined;
        const text = functions.stringify(!json || isPlain(value) ? data : { ...(data as Envelope), value: storable(value) });
        return text instanceof Promise ? text.catch(unencodable) : text;
      } catch (error) {
        return unencodable(error);
      }
    },
    parse(text) {
      try {
        const data = functions.parse(text);
        return data instanceof Promise ? data.then(fresh).catch(unreadable) : fresh(data);
      } catch (error) {
        return unreadable(error);
      }
    },
  };
}
