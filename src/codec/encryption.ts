import { createCipheriv, createDecipheriv, createSecretKey, KeyObject, randomBytes } from 'node:crypto';
import { CodecError, expected, OptionError } from '../errors.js';
import { isOptions, onlyKnown } from '../known-names.js';
import type { Codec, Stored } from './codec.js';
import { frame, isFramed, layerName, parseFrame, printable } from './frame.js';
import { then } from './serializers.js';

export interface EncryptionKey {
  /** Written in front of what the key encrypts, readable by anybody: 1 to 32 letters, digits, `.`, `_` or `-`. */
  readonly id: string;
  /** 32 random bytes: as bytes, as a secret `KeyObject`, or as text in base64, base64url or hexadecimal. No passphrase. */
  readonly key: string | Uint8Array | KeyObject;
}

export interface EncryptionOptions {
  /** The first one encrypts, all of them decrypt. */
  readonly keys: readonly [EncryptionKey, ...EncryptionKey[]] | readonly EncryptionKey[];
  /**
   * Read what is not encrypted as well, for the time of a change to encryption. As long as it is set, whoever can write to
   * Redis can plant values. Default false: such an entry is a miss and an `error` event.
   */
  readonly acceptPlaintext?: boolean | undefined;
}

const cipher = 'aes-256-gcm';
/** The layer's name; the key's id follows it. No serializer can be called so: a colon is in no name. */
const layer = 'aes256gcm:';
const keyLength = 32;
const nonceLength = 12;
const tagLength = 16;

interface Key {
  readonly secret: KeyObject;
  /** Marker, layer and id: what a frame of this key begins with. */
  readonly header: Buffer;
}

/**
 * Encrypts what a codec writes, whole: serializer and compression are inside and not to be seen. The wire key and the
 * frame's header are authenticated with it, so that bytes that were changed, or copied to another key, are not read.
 */
export function encrypting(options: EncryptionOptions): (codec: Codec) => Codec {
  const keys = keyring(options);
  const [current] = keys.values() as Iterable<Key> as [Key];
  const acceptPlaintext = options.acceptPlaintext === true;

  function seal(plain: Stored, wireKey: string): Buffer {
    const nonce = randomBytes(nonceLength);
    const sealing = createCipheriv(cipher, current.secret, nonce, { authTagLength: tagLength });
    sealing.setAAD(Buffer.concat([current.header, Buffer.from(wireKey)]));
    const body = typeof plain === 'string' ? sealing.update(plain, 'utf8') : sealing.update(plain);
    // GCM is a stream: nothing is left for the end.
    sealing.final();
    return Buffer.concat([current.header, nonce, body, sealing.getAuthTag()]);
  }

  /** What was encrypted, and with which key; without one where it was not. */
  function open(stored: Stored, wireKey: string): { plain: Stored; key: Key | undefined } {
    const parsed = typeof stored !== 'string' && isFramed(stored) ? parseFrame(stored) : undefined;
    if (!parsed?.layers.startsWith(layer)) {
      if (!acceptPlaintext) throw new CodecError('the stored value is not encrypted, and `encryption.acceptPlaintext` is not set');
      return { plain: stored, key: undefined };
    }
    const id = parsed.layers.slice(layer.length);
    const key = keys.get(id);
    if (!key) throw new CodecError(`the stored value is encrypted with the key \`${printable(id)}\`, which is not in the keyring`);
    const { payload } = parsed;
    const end = payload.length - tagLength;
    if (end < nonceLength) throw new CodecError('the stored value is encrypted and cut short');
    try {
      const opening = createDecipheriv(cipher, key.secret, payload.subarray(0, nonceLength), { authTagLength: tagLength });
      const header = (stored as Buffer).subarray(0, stored.length - payload.length);
      opening.setAAD(Buffer.concat([header, Buffer.from(wireKey)])).setAuthTag(payload.subarray(end));
      const plain = opening.update(payload.subarray(nonceLength, end));
      opening.final();
      return { plain, key };
    } catch (cause) {
      throw new CodecError('the stored value does not decrypt: it was changed, or copied from another key', { cause });
    }
  }

  return (codec) => ({
    encode: (value, key) => then(codec.encode(value, key), (plain) => seal(plain, key)),
    decode: (stored, key) => codec.decode(open(stored, key).plain, key),
    reencode(stored, wireKey) {
      const { plain, key } = open(stored, wireKey);
      return then(codec.reencode(plain, wireKey), (better) =>
        better === undefined && key === current ? undefined : seal(better ?? plain, wireKey),
      );
    },
    sealed: true,
  });
}

function keyring(options: EncryptionOptions): Map<string, Key> {
  // What came may be a key: it is not shown.
  if (!isOptions(options)) throw new OptionError(expected('encryption', 'an object with keys', typeof options));
  onlyKnown('encryption', options, { keys: true, acceptPlaintext: true } satisfies Record<keyof EncryptionOptions, true>);
  const { keys, acceptPlaintext } = options;
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new OptionError('expected `encryption.keys` to be an array of at least one `{ id, key }`');
  }
  if (acceptPlaintext !== undefined && typeof acceptPlaintext !== 'boolean') {
    throw new OptionError('expected `encryption.acceptPlaintext` to be true or false');
  }
  const ring = new Map<string, Key>();
  for (const [i, each] of (keys as readonly EncryptionKey[]).entries()) {
    if (!isOptions(each)) throw new OptionError(`expected \`encryption.keys[${i}]\` to be an object of id and key`);
    onlyKnown(`encryption.keys[${i}]`, each, { id: true, key: true } satisfies Record<keyof EncryptionKey, true>);
    const { id } = each;
    // What stands where an id should be may be a key: it is not shown.
    if (typeof id !== 'string' || !layerName.test(id)) {
      throw new OptionError(`expected \`encryption.keys[${i}].id\` to be 1 to 32 letters, digits, \`.\`, \`_\` or \`-\``);
    }
    if (ring.has(id)) throw new OptionError(`expected \`encryption.keys[${i}].id\` to be unlike the others`);
    ring.set(id, { secret: secretOf(each.key, i), header: frame(layer + id, Buffer.alloc(0)) });
  }
  return ring;
}

function secretOf(key: unknown, i: number): KeyObject {
  if (key instanceof KeyObject) {
    if (key.type === 'secret' && key.symmetricKeySize === keyLength) return key;
  } else {
    const bytes = typeof key === 'string' ? decoded(key) : key;
    if (bytes instanceof Uint8Array && bytes.byteLength === keyLength) return createSecretKey(bytes);
  }
  // Never what came: it may be a key with a letter missing.
  throw new OptionError(
    `expected \`encryption.keys[${i}].key\` to be ${keyLength} bytes, as bytes, a secret KeyObject, base64 or hexadecimal text`,
  );
}

function decoded(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  return /^[\w+/-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}
