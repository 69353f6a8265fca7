import { createCipheriv, createDecipheriv, createSecretKey, KeyObject, randomBytes } from 'node:crypto';
import { checkUnshown, isOptions, onlyKnown } from '../checks.js';
import { CodecError, OptionError } from '../errors.js';
import { frame, isFramed, layerName, parseFrame, printable, type Stored } from './entry.js';
import { type Codec, then } from './serializers.js';

/** A key of the option `encryption`. */
export interface EncryptionKey {
  /** Names the key in the stored bytes, unencrypted: 1 to 32 letters, digits, `.`, `_` or `-`. */
  readonly id: string;
  /** 32 random bytes: as bytes, as a secret `KeyObject`, or as text in base64, base64url or hexadecimal. Not a passphrase. */
  readonly key: string | Uint8Array | KeyObject;
}

/** The option `encryption`: AES-256-GCM. */
export interface EncryptionOptions {
  /** At least one key. The first encrypts, all decrypt. */
  readonly keys: readonly [EncryptionKey, ...EncryptionKey[]] | readonly EncryptionKey[];
  /**
   * Reads unencrypted entries too, for a change to encryption. While it is set, anything with write access to Redis can plant values.
   * Default false: such an entry is a miss with an `error` event.
   */
  readonly acceptPlaintext?: boolean | undefined;
}

const cipher = 'aes-256-gcm';
/** The name of the layer, before the id of the key. No serializer can have it, because of the colon. */
const layer = 'aes256gcm:';
const keyLength = 32;
const nonceLength = 12;
const tagLength = 16;

interface Key {
  readonly secret: KeyObject;
  /** Marker, layer and id: the header of frames under this key. */
  readonly header: Buffer;
}

/**
 * Encrypts the whole output of a codec, so that serializer and compression are hidden. The key in Redis and the frame's header are
 * authenticated: changed bytes, or bytes copied from another key, do not decrypt.
 * @throws {OptionError} for a wrong option, without showing it
 */
export function encrypting(options: EncryptionOptions): (codec: Codec) => Codec {
  const keys = keyring(options);
  const [current] = keys.values() as Iterable<Key> as [Key];
  const acceptPlaintext = options.acceptPlaintext === true;

  function encrypt(plain: Stored, redisKey: string): Buffer {
    const nonce = randomBytes(nonceLength);
    const encryption = createCipheriv(cipher, current.secret, nonce, { authTagLength: tagLength });
    encryption.setAAD(Buffer.concat([current.header, Buffer.from(redisKey)]));
    const body = typeof plain === 'string' ? encryption.update(plain, 'utf8') : encryption.update(plain);
    // GCM is a stream cipher: `final` returns no bytes.
    encryption.final();
    return Buffer.concat([current.header, nonce, body, encryption.getAuthTag()]);
  }

  /** The plaintext and its key; no key if it was not encrypted. */
  function decrypt(stored: Stored, redisKey: string): { plain: Stored; key: Key | undefined } {
    const parsed = isFramed(stored) ? parseFrame(stored as Buffer) : undefined;
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
      const decryption = createDecipheriv(cipher, key.secret, payload.subarray(0, nonceLength), { authTagLength: tagLength });
      const header = (stored as Buffer).subarray(0, stored.length - payload.length);
      decryption.setAAD(Buffer.concat([header, Buffer.from(redisKey)])).setAuthTag(payload.subarray(end));
      const plain = decryption.update(payload.subarray(nonceLength, end));
      decryption.final();
      return { plain, key };
    } catch (cause) {
      throw new CodecError('the stored value does not decrypt: it was changed, or copied from another key', { cause });
    }
  }

  return (codec) => ({
    encode: (value, key) => then(codec.encode(value, key), (plain) => encrypt(plain, key)),
    decode: (stored, key) => codec.decode(decrypt(stored, key).plain, key),
    reencode(stored, redisKey) {
      const { plain, key } = decrypt(stored, redisKey);
      return then(codec.reencode(plain, redisKey), (better) =>
        better === undefined && key === current ? undefined : encrypt(better ?? plain, redisKey),
      );
    },
    encrypted: true,
  });
}

function keyring(options: EncryptionOptions): Map<string, Key> {
  // No error here shows a value, because it may be a key.
  checkUnshown('encryption', 'an object with keys', isOptions(options));
  onlyKnown('encryption', options, { keys: true, acceptPlaintext: true } satisfies Record<keyof EncryptionOptions, true>);
  const { keys, acceptPlaintext } = options;
  checkUnshown('encryption.keys', 'an array of at least one `{ id, key }`', Array.isArray(keys) && keys.length > 0);
  checkUnshown('encryption.acceptPlaintext', 'true or false', ['undefined', 'boolean'].includes(typeof acceptPlaintext));
  const ring = new Map<string, Key>();
  for (const [i, each] of (keys as readonly EncryptionKey[]).entries()) {
    const name = `encryption.keys[${i}]`;
    checkUnshown(name, 'an object of id and key', isOptions(each));
    onlyKnown(name, each, { id: true, key: true } satisfies Record<keyof EncryptionKey, true>);
    const { id } = each;
    checkUnshown(`${name}.id`, '1 to 32 letters, digits, `.`, `_` or `-`', typeof id === 'string' && layerName.test(id));
    if (ring.has(id)) throw new OptionError(`expected \`${name}.id\` to differ from the others`);
    ring.set(id, { secret: secretOf(each.key, `${name}.key`), header: frame(layer + id, Buffer.alloc(0)) });
  }
  return ring;
}

function secretOf(key: unknown, name: string): KeyObject {
  if (key instanceof KeyObject) {
    if (key.type === 'secret' && key.symmetricKeySize === keyLength) return key;
  } else {
    const bytes = typeof key === 'string' ? decoded(key) : key;
    if (bytes instanceof Uint8Array && bytes.byteLength === keyLength) return createSecretKey(bytes);
  }
  throw new OptionError(`expected \`${name}\` to be ${keyLength} bytes, as bytes, a secret KeyObject, base64 or hexadecimal text`);
}

function decoded(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  return /^[\w+/-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}
