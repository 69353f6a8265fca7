import { OptionError } from '../errors.js';
import type { ClientOptions } from './client/client-options.js';

/** What one place in the options says about TLS; `undefined`: nothing. */
export interface TlsWord {
  /** The place, as an error names it. */
  readonly where: string;
  readonly tls: boolean | undefined;
}

/** What the socket of these options says. */
export function tlsWord(where: string, options: ClientOptions | undefined): TlsWord {
  return { where, tls: tlsOf(options) };
}

function tlsOf(options: ClientOptions | undefined): boolean | undefined {
  return (options?.socket as { tls?: boolean } | undefined)?.tls;
}

/**
 * Refuses options of which one asks for TLS and another excludes it: to follow either would be a guess, and the wrong one sends the password
 * in clear text.
 *
 * @throws {OptionError}
 */
export function checkAgreement(words: readonly TlsWord[]): void {
  const first = words.find(({ tls }) => tls !== undefined);
  const other = words.find(({ tls }) => tls !== undefined && tls !== first?.tls);
  if (first && other) throw new OptionError(`expected \`${other.where}\` to be ${first.tls}, as \`${first.where}\` says`);
}

/**
 * Refuses connections of which some use TLS and others do not, because the others were not thought of.
 *
 * @throws {OptionError}
 */
export function checkAllSay(words: readonly TlsWord[]): void {
  const encrypted = words.find(({ tls }) => tls);
  const silent = words.find(({ tls }) => tls === undefined);
  if (encrypted && silent) throw new OptionError(`expected \`${silent.where}\` to be set, because \`${encrypted.where}\` is true`);
}

/** The options of `tls.connect` that have no effect without TLS. */
// biome-ignore format: one name a line is no easier to read
const tlsOnly = [
  'ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized', 'checkServerIdentity', 'ciphers', 'minVersion', 'maxVersion',
  'ALPNProtocols', 'ALPNCallback', 'SNICallback', 'crl', 'dhparam', 'ecdhCurve', 'honorCipherOrder', 'pskCallback', 'requestCert',
  'requestOCSP', 'secureContext', 'secureOptions', 'secureProtocol', 'session', 'sessionIdContext', 'sessionTimeout', 'sigalgs', 'ticketKeys',
  'clientCertEngine', 'enableTrace', 'minDHSize', 'privateKeyEngine', 'privateKeyIdentifier', 'allowPartialTrustChain',
];

/** Refuses options of TLS on a connection without it: they were set for one that has it. `where`: the path of `socket`. @throws {OptionError} */
export function checkTlsOptions(where: string, options: ClientOptions): void {
  const socket = (options.socket ?? {}) as Readonly<Record<string, unknown>>;
  const name = tlsOnly.find((each) => socket[each] !== undefined);
  if (name !== undefined && tlsOf(options) !== true) {
    throw new OptionError(
      `expected \`${where}.${name}\` to be left out without TLS: turn it on by \`${where}.tls: true\` or a rediss:// URL`,
    );
  }
}
