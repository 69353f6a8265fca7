import { createCipheriv, createDecipheriv, createSecretKey, KeyObject, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { checkUnshown, isOptions, onlyKnown } from '../checks.js';
import { ArgumentError, CodecError, OptionError, TamperedError } from '../errors.js';
import { frame, isFramed, layerName, parseFrame, type Stored, withHeader } from './entry.js';
import { type Codec, type EncodedEntry, type MaybePromise, type PayloadCodec, then } from './serializers.js';

/** A key of the option `encryption`. */
export interface EncryptionKey {
  /** Names the key in the stored bytes, unencrypted: 1 to 32 letters, digits, `.`, `_` or `-`. */
  readonly id: string;
  /** 32 random bytes: as bytes, as a secret `KeyObject`, or as text in base64, base64url or hexadecimal. Not a passphrase: {@link keyFromPassphrase}. */
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
  /**
   * Where the entries belong, such as `'production'` or a tenant: entries written under another context do not decrypt. Every process that
   * shares the entries needs the same. Default none: an entry that is copied to the same key of another server or database decrypts there.
   * @example encryption: { keys, context: 'production/0' }
   */
  readonly context?: string | undefined;
}

const cipher = 'aes-256-gcm';
/** The names of the layers, before the id of the key. No serializer can have them, because of the colon. */
const layer = 'aes256gcm.2:';
/** The first envelope, which bound the value to its key, and not to its header and context. It is read, and no longer written. */
const firstLayer = 'aes256gcm:';
const keyLength = 32;
const nonceLength = 12;
const tagLength = 16;

interface Key {
  readonly secret: KeyObject;
  /** Marker, layer and id: the start of envelopes under this key. */
  readonly start: Buffer;
}

/** The plaintext of an envelope; `isCurrent`: it is in the envelope of today, under the first key. */
interface Opened {
  readonly payload: Stored;
  readonly isCurrent: boolean;
}

/**
 * Encrypts the whole payload, so that serializer and compression are hidden. The start of the envelope, what precedes it (the age and the
 * tags of the entry), the context and the key in Redis are authenticated with it: changed bytes, or bytes copied from elsewhere, do not
 * decrypt. `rewritten`: the payload as the codec would write it now.
 * @throws {OptionError} for a wrong option, without showing it
 */
export function encrypting(
  options: EncryptionOptions,
  rewritten: (codec: PayloadCodec, payload: Stored) => MaybePromise<Stored | undefined>,
): (codec: PayloadCodec) => Codec {
  const { keys, context, acceptPlaintext } = parseEncryption(options);
  const [current] = keys.values() as Iterable<Key> as [Key];

  function seal(payload: Stored, redisKey: string, header: Buffer | undefined): Buffer {
    const nonce = randomBytes(nonceLength);
    const encryption = createCipheriv(cipher, current.secret, nonce, { authTagLength: tagLength });
    encryption.setAAD(bound(current.start, header, context, redisKey));
    const body = typeof payload === 'string' ? encryption.update(payload, 'utf8') : encryption.update(payload);
    // GCM is a stream cipher: `final` returns no bytes.
    encryption.final();
    const envelope = Buffer.concat([current.start, nonce, body, encryption.getAuthTag()]);
    return withHeader(header, envelope) as Buffer;
  }

  function open({ payload: stored, header }: EncodedEntry, redisKey: string): Opened {
    const parsed = isFramed(stored) ? parseFrame(stored as Buffer) : undefined;
    const isFirst = parsed?.layers.startsWith(firstLayer) ?? false;
    if (!parsed || !(isFirst || parsed.layers.startsWith(layer))) {
      if (!acceptPlaintext) throw new TamperedError('the stored value is not encrypted, and `encryption.acceptPlaintext` is not set');
      return { payload: stored, isCurrent: false };
    }
    const id = parsed.layers.slice((isFirst ? firstLayer : layer).length);
    const key = keys.get(id);
    if (!key) throw new CodecError(`the stored value is encrypted with the key \`${id}\`, which is not in the keyring`);
    const { payload: body } = parsed;
    const end = body.length - tagLength;
    if (end < nonceLength) throw new TamperedError('the stored value is encrypted and cut short');
    const start = (stored as Buffer).subarray(0, stored.length - body.length);
    const aad = isFirst ? Buffer.concat([start, Buffer.from(redisKey)]) : bound(start, header, context, redisKey);
    try {
      const decryption = createDecipheriv(cipher, key.secret, body.subarray(0, nonceLength), { authTagLength: tagLength });
      decryption.setAAD(aad).setAuthTag(body.subarray(end));
      const payload = decryption.update(body.subarray(nonceLength, end));
      decryption.final();
      return { payload, isCurrent: key === current && !isFirst };
    } catch (cause) {
      throw new TamperedError('the stored value does not decrypt: it was changed, or copied from another key or context', { cause });
    }
  }

  return (codec) => ({
    encode: codec.encode,
    seal,
    decode: (entry, redisKey) => codec.decode(open(entry, redisKey).payload),
    reencode(entry, redisKey) {
      const { payload, isCurrent } = open(entry, redisKey);
      return then(rewritten(codec, payload), (better) =>
        better === undefined && isCurrent ? undefined : seal(better ?? payload, redisKey, entry.header),
      );
    },
    encrypted: true,
  });
}

/** What is authenticated beside the value. The lengths keep the parts apart. */
function bound(start: Buffer, header: Buffer = Buffer.alloc(0), context: Buffer, redisKey: string): Buffer {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(header.length, 0);
  lengths.writeUInt32BE(context.length, 4);
  return Buffer.concat([start, lengths, header, context, Buffer.from(redisKey)]);
}

/**
 * A key for `encryption` from a passphrase, by scrypt (N = 2^17, r = 8, p = 1, which takes some tenths of a second and 128 MiB). Random bytes
 * are better: `openssl rand -base64 32`.
 *
 * @param passphrase at least 16 characters
 * @param salt at least 8 bytes or characters, the same in every process; no secret
 * @throws {ArgumentError} for a short passphrase or salt, without showing it
 * @example const key = await keyFromPassphrase(process.env.CACHE_PASSPHRASE ?? '', 'shop/cache')
 */
export async function keyFromPassphrase(passphrase: string, salt: string | Uint8Array): Promise<Buffer> {
  if (typeof passphrase !== 'string' || passphrase.length < 16)
    throw new ArgumentError('expected the passphrase to have 16 characters or more');
  const isSalt = (typeof salt === 'string' || salt instanceof Uint8Array) && salt.length >= 8;
  if (!isSalt) throw new ArgumentError('expected the salt to have 8 bytes or more');
  return stretch(passphrase.normalize('NFKC'), salt, keyLength, { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 });
}

const stretch = promisify(scrypt) as (
  passphrase: string,
  salt: string | Uint8Array,
  length: number,
  options: { N: number; r: number; p: number; maxmem: number },
) => Promise<Buffer>;

function parseEncryption(options: EncryptionOptions) {
  // No error here shows a value, because it may be a key.
  checkUnshown('encryption', 'an object with keys', isOptions(options));
  onlyKnown('encryption', options, { keys: true, acceptPlaintext: true, context: true } satisfies Record<keyof EncryptionOptions, true>);
  const { keys, acceptPlaintext = false, context = '' } = options;
  checkUnshown('encryption.keys', 'an array of at least one `{ id, key }`', Array.isArray(keys) && keys.length > 0);
  checkUnshown('encryption.acceptPlaintext', 'true or false', typeof acceptPlaintext === 'boolean');
  checkUnshown('encryption.context', 'a string without lone surrogates', typeof context === 'string' && context.isWellFormed());
  const ring = new Map<string, Key>();
  for (const [i, each] of (keys as readonly EncryptionKey[]).entries()) {
    const name = `encryption.keys[${i}]`;
    checkUnshown(name, 'an object of id and key', isOptions(each));
    onlyKnown(name, each, { id: true, key: true } satisfies Record<keyof EncryptionKey, true>);
    const { id } = each;
    checkUnshown(`${name}.id`, '1 to 32 letters, digits, `.`, `_` or `-`', typeof id === 'string' && layerName.test(id));
    if (ring.has(id)) throw new OptionError(`expected \`${name}.id\` to differ from the others`);
    ring.set(id, { secret: secretOf(each.key, `${name}.key`), start: frame(layer + id, Buffer.alloc(0)) });
  }
  return { keys: ring, context: Buffer.from(context), acceptPlaintext };
}

function secretOf(key: unknown, name: string): KeyObject {
  const bytes =
    key instanceof KeyObject ? (key.type === 'secret' ? key.export() : undefined) : typeof key === 'string' ? decoded(key) : key;
  if (!(bytes instanceof Uint8Array) || bytes.byteLength !== keyLength) {
    throw new OptionError(`expected \`${name}\` to be ${keyLength} bytes, as bytes, a secret KeyObject, base64 or hexadecimal text`);
  }
  checkUnshown(
    name,
    `${keyLength} random bytes: these are text or repeat themselves (\`keyFromPassphrase\` makes a key of text)`,
    !isWeak(bytes),
  );
  return createSecretKey(bytes);
}

/** Bytes that chance does not make: few different ones, or all of them printable, as in a passphrase. */
function isWeak(bytes: Uint8Array): boolean {
  return new Set(bytes).size < 12 || bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
}

function decoded(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  return /^[\w+/-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}
