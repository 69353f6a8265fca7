import type { StoreOptions } from '../options/options.js';
import type { Milliseconds } from '../ttl.js';

/** Options of {@link KeyvRedisStore}: those of a store, and three of Keyv. */
export interface KeyvRedisOptions extends StoreOptions {
  /**
   * The namespace: keys in Redis are `namespace::key`, as `@keyv/redis` writes them. Default: that of the Keyv around the adapter, else the
   * `prefix`, else `'keyv'`. An adapter serves one namespace.
   */
  readonly namespace?: string | undefined;
  /** The text between namespace and key, as in `@keyv/redis`. It must not hold `%`, `@` or `#`. Default `'::'`. */
  readonly keyPrefixSeparator?: string | undefined;
  /**
   * Whether the Keyv 4 or 5 puts `namespace:` in front of every key, as it does unless its own `useKeyPrefix` is false. The adapter takes it
   * off, so that keys in Redis have one prefix. `false`: keys are stored as Keyv passes them, which with a Keyv that adds its prefix gives
   * `namespace::namespace:key`, the keys of `@keyv/redis`. Default: taken off if it is there. Keyv 6 adds none.
   */
  readonly useKeyPrefix?: boolean | undefined;
}

/** The property `opts`, which Keyv 4 and 5 read. It has no connection options: they may hold a password. */
export interface AdapterInfo {
  /** Tells Keyv 4 and 5 that the adapter can iterate. */
  readonly dialect: 'redis';
  readonly url: string;
  readonly namespace: string | undefined;
}

/** One entry of `setMany`, as Keyv passes it. */
export interface KeyvEntry {
  key: string;
  value: unknown;
  /** Keyv 5: milliseconds from now. Default: the entry never expires. */
  ttl?: Milliseconds | undefined;
  /** Keyv 6: milliseconds since 1970. Default: the entry never expires. */
  expires?: Milliseconds | undefined;
}

/** The calls that a Keyv passes on to its adapter. */
export const calls = ['get', 'getMany', 'has', 'hasMany', 'set', 'setMany', 'delete', 'deleteMany', 'clear'] as const;
const methods = [...calls, 'disconnect', 'iterator'] as const;

/** Keyv 6's `KeyvStorageCapability`, repeated here because only `createKeyv` may import Keyv. */
export interface KeyvCapabilities {
  compatible: boolean;
  store: 'keyvStorage';
  methods: Record<(typeof methods)[number], { exists: boolean; methodType: 'sync' | 'async' | 'none' }>;
  expires: boolean;
}

/** Declares to Keyv 6 every method, and that `set` takes an absolute time. */
export const capabilities: KeyvCapabilities = {
  compatible: true,
  store: 'keyvStorage',
  methods: Object.fromEntries(methods.map((name) => [name, { exists: true, methodType: 'async' }])) as KeyvCapabilities['methods'],
  expires: true,
};

const asynchronous = Object.getPrototypeOf(async () => {}) as object;

/**
 * Makes Keyv 6 recognise these methods as asynchronous. Without `capabilities` it reads their constructor, and calls `has` with a key of its
 * own if that is not AsyncFunction. The adapter has no `async` methods, because they cannot mark their own promise as handled.
 */
export function declareAsync(prototype: object): void {
  for (const name of methods) {
    const method = Reflect.get(prototype, name) as object;
    if (name !== 'iterator') Object.setPrototypeOf(method, asynchronous);
  }
}

/** The module `keyv`, of any major. */
export interface KeyvModule {
  // biome-ignore lint/suspicious/noExplicitAny: the constructors of three majors
  readonly default?: any;
  // biome-ignore lint/suspicious/noExplicitAny: the constructors of three majors
  readonly Keyv?: any;
  readonly KeyvHooks?: unknown;
  readonly KeyvBridgeAdapter?: unknown;
}

/** Recognises each major by an export that its predecessor lacks. */
export function majorOf(keyv: KeyvModule): 4 | 5 | 6 {
  if (keyv.KeyvBridgeAdapter) return 6;
  return keyv.KeyvHooks ? 5 : 4;
}
