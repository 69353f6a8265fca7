import type { RedisClientOptions, RedisFunctions, RedisModules, RedisScripts, RespVersions } from '@redis/client';
import { isOptions, isPlainObject, similar } from '../../checks.js';
import { OptionError } from '../../errors.js';
import { expected, named, shown } from '../../messages.js';
import type { Milliseconds } from '../../ttl.js';

/** node-redis's `createClient` options, of either protocol version. */
export type ClientOptions = RedisClientOptions<RedisModules, RedisFunctions, RedisScripts, RespVersions>;

/** The options of `socket` that our own connections use. */
export interface SocketOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly tls?: boolean;
  readonly connectTimeout?: Milliseconds;
  readonly reconnectStrategy?: unknown;
}

/** The values an option takes, in words and as a test. */
interface Kind {
  readonly what: string;
  readonly is: (value: unknown) => boolean;
  /** The value may be a secret: an error shows its type only. */
  readonly secret?: true;
}

const text: Kind = { what: 'a string', is: (value) => typeof value === 'string' };
const secret: Kind = { ...text, secret: true };
const flag: Kind = { what: 'a boolean', is: (value) => typeof value === 'boolean' };
const object: Kind = { what: 'an object', is: isOptions, secret: true };
/** What it inherits would be lost, `tls` included. */
const plain: Kind = {
  what: 'an object whose options are all its own',
  is: (value) => isOptions(value) && isPlainObject(value),
  secret: true,
};
const milliseconds: Kind = { what: 'a number of milliseconds ≥ 0', is: (value) => typeof value === 'number' && value >= 0 };
const whole = (least: number): Kind => ({
  what: `an integer ≥ ${least}`,
  is: (value) => Number.isSafeInteger(value) && (value as number) >= least,
});
const oneOf = (...values: readonly unknown[]): Kind => ({
  what: values.map((value) => (typeof value === 'string' ? `'${value}'` : value)).join(' or '),
  is: (value) => values.includes(value),
});
const providers: readonly unknown[] = ['async-credentials-provider', 'streaming-credentials-provider'];
const leftOut = (why: string): Kind => ({ what: `left out: ${why}`, is: () => false });

/** node-redis's own options, which pass through. Its types make this list fail to compile when node-redis gains an option. */
export const clientOptions: Record<keyof Omit<ClientOptions, 'keyPrefix' | 'himportRegistry'>, Kind> = {
  RESP: oneOf(2, 3),
  clientInfoTag: text,
  clientSideCache: leftOut('the option `near` keeps entries in this process'),
  commandOptions: object,
  commandsQueueMaxLength: whole(1),
  credentialsProvider: {
    what: 'an object with `type`',
    is: (value) => isOptions(value) && providers.includes((value as { type?: unknown }).type),
    secret: true,
  },
  database: whole(0),
  disableClientInfo: flag,
  disableOfflineQueue: flag,
  emitInvalidate: leftOut('the option `near` listens to invalidations'),
  functions: object,
  maintEndpointType: oneOf('auto', 'internal-ip', 'internal-fqdn', 'external-ip', 'external-fqdn', 'none'),
  maintNotifications: oneOf('disabled', 'enabled', 'auto'),
  maintRelaxedCommandTimeout: milliseconds,
  maintRelaxedSocketTimeout: milliseconds,
  modules: object,
  name: text,
  password: secret,
  pingInterval: milliseconds,
  readonly: flag,
  scripts: object,
  socket: plain,
  url: secret,
  username: secret,
};

/** Checks the values of node-redis's options, not their names. `where`: prefix of the names in errors. @throws {OptionError} */
export function checkClientOptions(options: object, where = ''): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || !Object.hasOwn(clientOptions, name)) continue;
    const kind = clientOptions[name as keyof typeof clientOptions];
    if (!kind.is(value)) throw wrong(where + name, kind, value);
  }
  const { socket } = options as ClientOptions;
  if (socket !== undefined) checkSocketOptions(socket, `${where}socket.`);
}

function wrong(name: string, { what, secret: hidden }: Kind, value: unknown): OptionError {
  if (what.startsWith('left out')) return new OptionError(`expected \`${name}\` to be ${what}`);
  if (!hidden) return new OptionError(expected(name, what, value));
  const type = typeof value === 'object' ? shown(value) : `a ${typeof value}`;
  return new OptionError(`expected \`${name}\` to be ${what}, got ${type}`);
}

type NamesOfAny<T> = T extends unknown ? keyof T : never;

/** The options of `socket`: node-redis's own, and those of `net.connect` and `tls.connect` that their types list. */
// biome-ignore format: one name a line is no easier to read
const names: readonly NamesOfAny<NonNullable<ClientOptions['socket']>>[] = [
  'tls', 'connectTimeout', 'socketTimeout', 'reconnectStrategy', 'host', 'port', 'path', 'family', 'hints', 'lookup', 'localAddress',
  'localPort', 'autoSelectFamily', 'autoSelectFamilyAttemptTimeout', 'noDelay', 'keepAlive', 'keepAliveInitialDelay', 'allowHalfOpen',
  'fd', 'signal', 'timeout', 'ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized', 'checkServerIdentity',
  'ciphers', 'minVersion', 'maxVersion', 'ALPNProtocols', 'crl', 'dhparam', 'ecdhCurve', 'honorCipherOrder', 'pskCallback',
  'requestCert', 'secureContext', 'secureOptions', 'secureProtocol', 'session', 'sigalgs', 'enableTrace', 'minDHSize',
  'privateKeyEngine', 'privateKeyIdentifier',
];

/**
 * Checks the options that decide where a connection goes and whether it is encrypted. Node may have options that these types lack, so
 * a name is refused only if it looks misspelt: `tsl: true` would send the password in clear text.
 */
export function checkSocketOptions(socket: object, where: string): void {
  const present = Object.entries(socket).filter(([, value]) => value !== undefined);
  for (const [name] of present) {
    if ((names as readonly string[]).includes(name) || alsoNode.includes(name)) continue;
    const meant = similar(name, names) ?? (/tls|ssl|secure|crypt/i.test(name) ? 'tls' : undefined);
    if (meant !== undefined) throw new OptionError(`unknown option ${named(name, where)}, did you mean \`${where}${meant}\`?`);
  }
  for (const [name, value] of present) {
    const kind = kinds[name];
    if (kind && !kind.is(value)) throw new OptionError(expected(where + name, kind.what, value));
  }
}

/** Node's own names that look like misspelt ones. */
const alsoNode = ['SNICallback', 'ALPNCallback', 'socket', 'sessionTimeout', 'sessionIdContext', 'ticketKeys', 'clientCertEngine'];

const tlsVersion = oneOf('TLSv1.3', 'TLSv1.2', 'TLSv1.1', 'TLSv1');

const isPort = (value: unknown): boolean =>
  (typeof value === 'number' || typeof value === 'string') && /^\d+$/.test(`${value}`) && Number(value) > 0 && Number(value) < 65_536;

const kinds: Readonly<Record<string, Kind>> = {
  tls: { what: 'true or false, with its options, such as `ca`, beside it in `socket`', is: flag.is },
  // An error of the connection quotes the host, so it must not be a URL with a password.
  host: { what: 'a host name or an IP address', is: (value) => typeof value === 'string' && /^[^\s/@?#=,]*$/.test(value) },
  path: text,
  // An environment variable gives text, and Node accepts it.
  port: { what: 'an integer from 1 to 65535', is: isPort },
  connectTimeout: milliseconds,
  socketTimeout: milliseconds,
  reconnectStrategy: {
    what: 'false, a number of milliseconds or a function',
    is: (value) => value === false || typeof value === 'number' || typeof value === 'function',
  },
  rejectUnauthorized: flag,
  servername: text,
  checkServerIdentity: { what: 'a function', is: (value) => typeof value === 'function' },
  minVersion: tlsVersion,
  maxVersion: tlsVersion,
  lookup: { what: "a function like Node's `dns.lookup`", is: (value) => typeof value === 'function' },
};
