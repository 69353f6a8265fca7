import { type Stored, StoredEntry } from '../../src/codec/entry.js';
import { type Codec, then } from '../../src/codec/serializers.js';

/** A codec from values to the bytes in Redis and back, for entries without age and tags. */
export const onBytes = (codec: Codec) => ({
  encode: (value: unknown, key = '') => then(codec.encode(value), (payload) => codec.seal(payload, key, undefined)),
  decode: (stored: Stored, key = '') => codec.decode(StoredEntry.parse(stored), key),
  reencode: (stored: Stored, key = '') => codec.reencode(StoredEntry.parse(stored), key),
});
