import { RedisClient } from '@redis/client';
import { OptionError } from '../errors.js';
import { shown } from '../messages.js';
import type { ClientOptions } from './client/client-options.js';

/** What a location names. */
export type Place = { readonly kind: 'memory' } | { readonly kind: 'server'; readonly options: ClientOptions };

const forms = "'host', 'host:port', 'redis://…', 'rediss://…', 'unix:///path', an absolute path to a unix socket, or 'memory:'";

const host = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i;

/** The place that `location` names, as node-redis's options. @throws {OptionError} that shows nothing of it but a host and a port */
export function parseLocation(text: string): Place {
  if (typeof text !== 'string') throw unclear(text);
  // As a file ends, which a secret was read from.
  const location = text.replace(/\r?\n$/, '');
  if (location === 'memory:') return { kind: 'memory' };
  if (location.startsWith('/')) return { kind: 'server', options: { socket: { path: pathOf(location), tls: false } } };
  if (/^(rediss?|unix):\/\//.test(location)) return { kind: 'server', options: parseUrl('location', location) };
  if (/^https?:/i.test(location)) {
    throw new OptionError(
      'expected `location` to be no `http` or `https` URL, which is for a REST API: use the `rediss://` URL of the database',
    );
  }
  if (/,.*=/s.test(location)) return { kind: 'server', options: parseConnectionString(location) };
  return { kind: 'server', options: { socket: hostAndPortOf(location) } };
}

/** The options that a URL names. Its query and fragment say nothing to Redis: `?tls=true` would not turn TLS on. @throws {OptionError} */
export function parseUrl(name: string, url: string): ClientOptions {
  const place = /^unix:/.test(url) ? url.replace(/\?db=\d{1,9}$/, '') : url;
  // `URL` drops the ends of lines, and a password would not be the one that was written.
  if (/[?#\s]/.test(place)) {
    throw new OptionError(
      `expected \`${name}\` to have no \`?\`, \`#\` and white space: options stand beside it, and in a password they are \`%3F\`, \`%23\` and \`%20\``,
    );
  }
  try {
    const { credentialsProvider: _, ...options } = RedisClient.parseURL(url);
    const { database = 0, socket } = options;
    const { port } = socket as { port?: number };
    if (Number.isSafeInteger(database) && database >= 0 && port !== 0) return options;
  } catch {
    // The error of node-redis quotes the URL.
  }
  const hint = 'characters such as `/`, `:`, `@` and `%` of a password are percent-encoded, as encodeURIComponent(password) does';
  throw name === 'location'
    ? unclear(url, hint)
    : new OptionError(`expected \`${name}\` to be a redis:// or rediss:// URL: in one, ${hint}`);
}

/** An error of the connection quotes the path, so it must not be a misspelt URL: `//:password@host`, `/0?password=…`. */
function pathOf(location: string): string {
  if (!/^\/(?!\/)[^?#=,]*$/.test(location)) throw unclear(location);
  return location;
}

function hostAndPortOf(location: string): { host: string; port: number } {
  const match = host.exec(location);
  const port = Number(match?.[3] ?? 6379);
  if (!match || port < 1 || port > 65_535) throw unclear(location);
  return { host: (match[1] ?? match[2]) as string, port };
}

function unclear(location: unknown, hint?: string): OptionError {
  // Only what can be nothing but a host and a port is shown: a password may stand anywhere, in any form.
  const isHost = typeof location === 'string' && location.length <= 80 && /^[a-z0-9.-]+:\d+$/i.test(location);
  const got = isHost ? location : shown(location);
  return new OptionError(`expected \`location\` to be ${forms}${hint === undefined ? '' : ` (${hint})`}, got \`${got}\``);
}

const connectionStringNames = ['password', 'user', 'ssl', 'defaultdatabase', 'abortconnect'];

/**
 * The form of StackExchange.Redis, which Azure shows: `host:6380,password=…,ssl=True,abortConnect=False`. TLS has to be said, as its default
 * there depends on the host. `abortConnect=False` asks for what a store does anyway.
 */
function parseConnectionString(text: string): ClientOptions {
  const [place = '', ...parts] = text.split(',');
  const settings = new Map<string, string>();
  for (const part of parts) {
    const [, name = '', value = ''] = /^\s*([a-z]+)\s*=(.*)$/is.exec(part) ?? [];
    const known = name.toLowerCase();
    if (!connectionStringNames.includes(known) || settings.has(known)) throw unknownSetting();
    settings.set(known, value);
  }
  const [ssl, password, username] = [settings.get('ssl')?.toLowerCase(), settings.get('password'), settings.get('user')];
  const [database = '0', abort = 'false'] = [settings.get('defaultdatabase'), settings.get('abortconnect')?.toLowerCase()];
  if (!/:\d+$/.test(place) || !/^\d{1,9}$/.test(database) || abort !== 'false' || !['true', 'false'].includes(ssl ?? '')) {
    throw unknownSetting();
  }
  return {
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(settings.has('defaultdatabase') ? { database: Number(database) } : {}),
    socket: { ...hostAndPortOf(place), tls: ssl === 'true' },
  } as ClientOptions;
}

function unknownSetting(): OptionError {
  return new OptionError(
    'expected a `location` with commas to be `host:port,password=…,ssl=True` or `ssl=False`, each once, with `user`, `defaultDatabase` and ' +
      '`abortConnect=False` at most',
  );
}
