import { expected, OptionError } from '../errors.js';
import { similar } from '../similar.js';
import type { ClientOptions } from './target.js';

type NamesOfAny<T> = T extends unknown ? keyof T : never;

/** What `socket` takes: node-redis's own, and those of `net.connect` and `tls.connect` that their types know. */
// biome-ignore format: one name a line says no more
const names: readonly NamesOfAny<NonNullable<ClientOptions['socket']>>[] = [
  'tls', 'connectTimeout', 'socketTimeout', 'reconnectStrategy', 'host', 'port', 'path', 'family', 'hints', 'lookup', 'localAddress',
  'localPort', 'autoSelectFamily', 'autoSelectFamilyAttemptTimeout', 'noDelay', 'keepAlive', 'keepAliveInitialDelay', 'allowHalfOpen',
  'fd', 'signal', 'timeout', 'ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized', 'checkServerIdentity',
  'ciphers', 'minVersion', 'maxVersion', 'ALPNProtocols', 'crl', 'dhparam', 'ecdhCurve', 'honorCipherOrder', 'pskCallback',
  'requestCert', 'secureContext', 'secureOptions', 'secureProtocol', 'session', 'sigalgs', 'enableTrace', 'minDHSize',
  'privateKeyEngine', 'privateKeyIdentifier',
];

/**
 * Checks what decides where a connection goes and whether it is encrypted. Node may know options that these types do not, so a
 * name is refused only where it looks like a misspelt one: `tsl: true` would send the password in clear.
 *
 * @throws {OptionError} in words
 */
export function checkSocketOptions(socket: object, where: string): void {
  const given = Object.entries(socket).filter(([, value]) => value !== undefined);
  for (const [name] of given) {
    const meant = (names as readonly string[]).includes(name) ? undefined : similar(name, names);
    if (meant !== undefined && !others.includes(name)) {
      throw new OptionError(`unknown option \`${where}${name}\`, did you mean \`${where}${meant}\`?`);
    }
  }
  for (const [name, value] of given) {
    const kind = kinds[name];
    if (kind && !kind.is(value)) throw new OptionError(expected(where + name, kind.what, value));
  }
}

/** Names of Node's that look like others. */
const others = ['SNICallback', 'ALPNCallback', 'socket', 'sessionTimeout', 'sessionIdContext', 'ticketKeys', 'clientCertEngine'];

const kinds: Readonly<Record<string, { what: string; is: (value: unknown) => boolean }>> = {
  tls: { what: 'a boolean', is: (value) => typeof value === 'boolean' },
  host: { what: 'a string', is: (value) => typeof value === 'string' },
  path: { what: 'a string', is: (value) => typeof value === 'string' },
  // Text is what an environment variable gives, and Node takes it.
  port: { what: 'an integer from 1 to 65535', is: (value) => /^\d+$/.test(String(value)) && Number(value) > 0 && Number(value) < 65_536 },
  connectTimeout: { what: 'a number of milliseconds ≥ 0', is: (value) => typeof value === 'number' && value >= 0 },
  socketTimeout: { what: 'a number of milliseconds ≥ 0', is: (value) => typeof value === 'number' && value >= 0 },
  reconnectStrategy: {
    what: 'false, a number of milliseconds or a function',
    is: (value) => value === false || typeof value === 'number' || typeof value === 'function',
  },
  lookup: { what: "a function as `dns.lookup` of Node's", is: (value) => typeof value === 'function' },
};
