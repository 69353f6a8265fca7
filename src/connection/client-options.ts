import { expected, OptionError } from '../errors.js';
import { isOptions } from '../known-names.js';
import { checkSocketOptions } from './socket-options.js';
import type { ClientOptions } from './target.js';

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
const milliseconds: Kind = { what: 'a number of milliseconds ≥ 0', is: (value) => typeof value === 'number' && value >= 0 };
const whole = (least: number): Kind => ({
  what: `an integer ≥ ${least}`,
  is: (value) => Number.isSafeInteger(value) && (value as number) >= least,
});
const oneOf = (...values: readonly unknown[]): Kind => ({
  what: values.map((value) => (typeof value === 'string' ? `'${value}'` : value)).join(' or '),
  is: (value) => values.includes(value),
});
const leftOut = (why: string): Kind => ({ what: `left out: ${why}`, is: () => false });

/** node-redis's own options, which pass through. Checked against its types, so that none is forgotten when it gains one. */
export const clientOptions: Record<keyof Omit<ClientOptions, 'keyPrefix' | 'himportRegistry'>, Kind> = {
  RESP: oneOf(2, 3),
  clientInfoTag: text,
  clientSideCache: leftOut('the option `near` keeps entries in this process'),
  commandOptions: object,
  commandsQueueMaxLength: whole(1),
  credentialsProvider: {
    what: 'an object with `type`',
    is: (value) => isOptions(value) && /^(async|streaming)-credentials-provider$/.test(String((value as { type?: unknown }).type)),
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
  socket: object,
  url: secret,
  username: secret,
};

/**
 * Checks the kinds of node-redis's options; their names are checked elsewhere.
 *
 * @param where what stands in front of a name in the error, such as `cluster.defaults.`
 * @throws {OptionError} in words
 */
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
  return new OptionError(hidden ? `expected \`${name}\` to be ${what}, got ${typeName(value)}` : expected(name, what, value));
}

/** The type of a value, and nothing of its content. */
function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return `a ${typeof value}`;
  return Array.isArray(value) ? 'an array' : 'an object';
}
