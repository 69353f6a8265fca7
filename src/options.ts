import type { CodecOptions } from './codec/codec.js';
import type { BatchOptions } from './commands/batching.js';
import type { ParserClass } from './connection/parser.js';
import type { Pool, PoolClass, PoolOptions } from './connection/pool.js';
import { type ClientOptions, type GivenClient, parseLocation, type Target } from './connection/target.js';
import { expected, OptionError } from './errors.js';
import type { OnFailure } from './failure.js';
import type { Milliseconds, TtlOptions } from './ttl.js';

/** Where the entries are: every option of node-redis's `createClient`, and these. */
export interface ConnectionOptions extends Omit<ClientOptions, 'keyPrefix' | 'himportRegistry'> {
  /**
   * `host:port`, `redis://`, `rediss://`, `unix://`, an absolute path to a unix socket, or `memory:` for an engine inside
   * the process, to which nothing of the connection applies. Default `'localhost:6379'`. What stands in it wins over
   * `socket`, `username`, `password`, `database`.
   */
  readonly location?: string | undefined;
  /** A node-redis client (5 or later) of your own instead. Connected if it is not; never closed. */
  readonly client?: GivenClient | undefined;
  /**
   * Default: one connection for all calls. A class with its arguments, `{ class: RoundRobinPool, size: 4 }`; or a pool made
   * by `createPool`, for stores that shall share one (never closed by them).
   */
  readonly pool?: PoolOptions | Pool | undefined;
  /**
   * A direct connection of ours in place of node-redis's, for one server, with this parser: `'auto'` for ours, the class of
   * the npm package `redis-parser`, or one of your own with its contract. RESP 2. Default: node-redis and its own parser.
   */
  readonly parser?: ParserClass | 'auto' | undefined;
  /** The deadline of one operation in milliseconds, end to end: connecting, waiting for a connection, the answer. Default 1000. */
  readonly timeout?: Milliseconds | undefined;
}

/** What stores under either face take. */
export interface StoreOptions extends ConnectionOptions, CodecOptions, TtlOptions {
  /**
   * What our keys begin with. Default `'cache'`. `''` declares the whole database ours: `reset` empties it, and keys stand
   * in it as they are (but for those that begin with `:`, `@` or `#`, which get a `:` in front).
   */
  readonly prefix?: string | undefined;
  /**
   * The same as `prefix`, by the name that cache-manager-redis-yet has for it, and written to the letter as it does, also where
   * it holds `:`, `%`, `@` or `#` (see {@link plainKeys}; `version` or `hashLongKeys` beside it is an error then). Never
   * handed to node-redis.
   */
  readonly keyPrefix?: string | undefined;
  /** A part of every key: entries of another version are not seen. Default: none. */
  readonly version?: string | number | undefined;
  /** Makes the wire key in place of `prefix:key`. Two keys must never give the same one. */
  readonly keyFunction?: ((key: string, prefix: string, version: string | undefined) => string) | undefined;
  /** The way back from `keyFunction`, `undefined` for keys that are not ours. Needed by all that scans: `keys`, `reset`, `delPattern` … */
  readonly parseKey?: ((wireKey: string) => string | undefined) | undefined;
  /** A glob that matches every key `keyFunction` makes, to scan less. Default `'*'`. */
  readonly keyPattern?: string | undefined;
  /** Store keys that would be longer than 1 KiB under their SHA-256 digest. `keys()` and patterns then do not see them. Default false. */
  readonly hashLongKeys?: boolean | undefined;
  /** Values it says no to are not stored. Default: everything but `undefined`, which is never stored. */
  readonly isCacheable?: ((value: unknown) => boolean) | undefined;
  /** `'miss'` (default): failed reads are misses, failed writes are not stored. `'throw'`: they reject. Either way an `error` event tells. */
  readonly onFailure?: OnFailure | undefined;
  /** Same-tick coalescing of reads into many-key commands: `{ max }` keys in one (default 512), or `false`. Default on. */
  readonly batch?: BatchOptions | false | undefined;
  /** How many entries `memory:` holds. Default 10 000. */
  readonly max?: number | undefined;
  /** cache-manager's own; accepted so that one object can configure both. Without meaning here. */
  readonly refreshThreshold?: Milliseconds | undefined;
  /** cache-manager's own; accepted so that one object can configure both. Without meaning here. */
  // biome-ignore lint/suspicious/noExplicitAny: cache-manager's signature
  readonly onBackgroundRefreshError?: ((error: any) => void) | undefined;
}

/** node-redis's own options, which pass through. Checked against its types, so that none is forgotten when it gains one. */
const clientOptions: Record<keyof Omit<ClientOptions, 'keyPrefix' | 'himportRegistry'>, true> = {
  RESP: true,
  clientInfoTag: true,
  clientSideCache: true,
  commandOptions: true,
  commandsQueueMaxLength: true,
  credentialsProvider: true,
  database: true,
  disableClientInfo: true,
  disableOfflineQueue: true,
  emitInvalidate: true,
  functions: true,
  maintEndpointType: true,
  maintNotifications: true,
  maintRelaxedCommandTimeout: true,
  maintRelaxedSocketTimeout: true,
  modules: true,
  name: true,
  password: true,
  pingInterval: true,
  readonly: true,
  scripts: true,
  socket: true,
  url: true,
  username: true,
};

const ownOptions: Record<Exclude<keyof StoreOptions, keyof typeof clientOptions>, true> = {
  batch: true,
  client: true,
  compression: true,
  hashLongKeys: true,
  isCacheable: true,
  keyFunction: true,
  keyPattern: true,
  keyPrefix: true,
  location: true,
  max: true,
  maxTtl: true,
  onBackgroundRefreshError: true,
  onFailure: true,
  parseKey: true,
  parser: true,
  pool: true,
  prefix: true,
  refreshThreshold: true,
  serializer: true,
  timeout: true,
  ttl: true,
  ttlJitter: true,
  version: true,
};

/** Options of node-redis 4 that redis-yet's users have, and of the modules that call us; without effect on us. */
const ignored = ['isolationPoolOptions', 'store', 'stores', 'isGlobal'];

/** Everything the composition root needs to know, checked. */
export interface Settings {
  readonly target: Target;
  readonly pool: { readonly class: PoolClass; readonly kwargs: object } | Pool | undefined;
  readonly parser: ParserClass | 'auto' | undefined;
  readonly timeout: Milliseconds;
  readonly prefix: string;
  readonly version: string | undefined;
  readonly onFailure: OnFailure;
  readonly isCacheable: (value: unknown) => boolean;
}

/** Checks the options once, so that nothing after it has to. `extra` names options that the face knows beyond these. */
export function parseOptions(options: StoreOptions, extra: readonly string[] = [], standardPrefix = 'cache'): Settings {
  if (typeof options !== 'object' || options === null) throw new OptionError(expected('options', 'an object', options));
  for (const name of Object.keys(options)) {
    if (name in clientOptions || name in ownOptions || ignored.includes(name) || extra.includes(name)) continue;
    throw new OptionError(`unknown option \`${name}\`${didYouMean(name, extra)}`);
  }
  const {
    prefix = options.keyPrefix ?? standardPrefix,
    version,
    timeout = 1000,
    onFailure = 'miss',
    isCacheable = (): boolean => true,
  } = options;
  check('prefix', 'a string without lone surrogates', prefix, typeof prefix === 'string' && prefix.isWellFormed());
  check('keyPrefix', 'the same as `prefix`', options.keyPrefix, options.keyPrefix === undefined || options.keyPrefix === prefix);
  check(
    'version',
    'a string that is not empty or an integer ≥ 0',
    version,
    version === undefined ||
      (typeof version === 'string' && version !== '' && version.isWellFormed()) ||
      (Number.isSafeInteger(version) && (version as number) >= 0),
  );
  check(
    'timeout',
    `a number of milliseconds > 0 and ≤ ${longest}`,
    timeout,
    typeof timeout === 'number' && timeout > 0 && timeout <= longest,
  );
  check('onFailure', "'miss' or 'throw'", onFailure, onFailure === 'miss' || onFailure === 'throw');
  check(
    'parser',
    "'auto' or a parser class",
    options.parser,
    [undefined, 'auto'].includes(options.parser as never) || typeof options.parser === 'function',
  );
  check(
    'RESP',
    '2 where `parser` is given',
    options.RESP,
    options.parser === undefined || options.RESP === undefined || options.RESP === 2,
  );
  check('batch', 'false or an object', options.batch, !options.batch || typeof options.batch === 'object');
  check('max', 'an integer ≥ 1', options.max, options.max === undefined || (Number.isInteger(options.max) && options.max >= 1));
  for (const name of ['isCacheable', 'keyFunction', 'parseKey'] as const) {
    check(name, 'a function', options[name], options[name] === undefined || typeof options[name] === 'function');
  }
  check('parseKey', 'given together with `keyFunction`', options.parseKey, !options.parseKey || options.keyFunction !== undefined);
  return {
    target: parseTarget(options),
    pool: parsePool(options),
    parser: options.parser,
    timeout,
    prefix,
    version: version === undefined ? undefined : String(version),
    onFailure,
    isCacheable,
  };
}

/** Milliseconds that a timer takes: beyond this Node's fire at once. */
const longest = 2 ** 31 - 1;

function parseTarget(options: ConnectionOptions): Target {
  const { client, location, url, pool } = options;
  if (client !== undefined) {
    const usable = typeof client?.withCommandOptions === 'function' && typeof client.isReady === 'boolean' && !('slots' in client);
    check('client', 'a client made by createClient of node-redis 5 or later', client, usable);
    refuseBeside('client', options, ['location', 'pool', 'parser']);
    return { kind: 'client', client };
  }
  if (typeof (pool as Pool | undefined)?.use === 'function') refuseBeside('pool', options, ['location', 'parser']);
  check('url', 'left out where `location` is given', 'a URL', url === undefined || location === undefined);
  check(
    'database',
    'an integer ≥ 0',
    options.database,
    options.database === undefined || (Number.isInteger(options.database) && options.database >= 0),
  );
  const parsed = parseLocation(location ?? url ?? 'localhost:6379');
  if (parsed.kind === 'memory') return parsed;
  const own = Object.entries(options).filter(([name, value]) => name in clientOptions && name !== 'url' && value !== undefined);
  const given = Object.fromEntries(own) as ClientOptions;
  const { tls } = (given.socket ?? {}) as { tls?: boolean };
  const named = parsed.options.socket as { tls?: boolean } | undefined;
  if (tls !== undefined && named?.tls !== undefined && tls !== named.tls) {
    throw new OptionError(expected('socket.tls', `${named.tls}, as the location says`, tls));
  }
  // Where only node-redis's options say where the server is, the default location must not contradict them.
  if (location === undefined && url === undefined && given.socket) return { kind: 'server', options: given };
  return {
    kind: 'server',
    options: {
      ...given,
      ...parsed.options,
      socket: { ...given.socket, ...parsed.options.socket } as NonNullable<ClientOptions['socket']>,
    },
  };
}

/** Options that would be passed over without a word, because where the entries are is said elsewhere. Their values may be secret. */
function refuseBeside(where: string, options: ConnectionOptions, more: readonly (keyof ConnectionOptions)[]): void {
  const names = [...more, ...Object.keys(clientOptions)] as (keyof ConnectionOptions)[];
  const vain = names.find((name) => options[name] !== undefined);
  if (vain !== undefined) throw new OptionError(`expected \`${vain}\` to be left out where \`${where}\` says where the entries are`);
}

function parsePool({ pool }: ConnectionOptions): Settings['pool'] {
  if (pool === undefined) return undefined;
  if (typeof pool === 'object' && pool !== null) {
    if (typeof (pool as Pool).use === 'function') return pool as Pool;
    const { class: poolClass, ...kwargs } = pool as PoolOptions;
    if (typeof poolClass === 'function') return { class: poolClass, kwargs };
  }
  throw new OptionError(expected('pool', 'an object with a pool class as `class`, or a pool', pool));
}

function check(name: string, what: string, got: unknown, ok: boolean): void {
  if (!ok) throw new OptionError(expected(name, what, got));
}

/** The option that was probably meant, in words; matched without case and where one name begins with the other. */
function didYouMean(name: string, extra: readonly string[]): string {
  const lower = name.toLowerCase();
  const known = [...Object.keys(ownOptions), ...extra, ...Object.keys(clientOptions)];
  const near = known.find(
    (other) =>
      other.toLowerCase() === lower ||
      (lower.length > 2 && (other.toLowerCase().startsWith(lower) || lower.startsWith(other.toLowerCase()))),
  );
  return near === undefined ? '; options that only node-redis knows can be set on a `client` of your own' : `, did you mean \`${near}\`?`;
}
