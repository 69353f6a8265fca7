import type { Milliseconds } from '../ttl.js';

/** What Keyv 4 and 5 find out about an adapter by looking at `opts`. No connection options: they may hold a password. */
export interface AdapterInfo {
  /** By which Keyv 4 and 5 recognise an adapter that can iterate. */
  readonly dialect: 'redis';
  readonly url: string;
  readonly namespace: string | undefined;
}

/** One entry of `setMany`, as Keyv hands it over. */
export interface KeyvEntry {
  key: string;
  value: unknown;
  /** Keyv 5: milliseconds from now; never if left out. */
  ttl?: Milliseconds | undefined;
  /** Keyv 6: milliseconds since 1970; never if left out. */
  expires?: Milliseconds | undefined;
}

const methods = ['get', 'getMany', 'has', 'hasMany', 'set', 'setMany', 'delete', 'deleteMany', 'clear', 'disconnect', 'iterator'] as const;

interface Method {
  exists: boolean;
  methodType: 'sync' | 'async' | 'none';
}

/** Keyv 6's `KeyvStorageCapability`, written down here because only `createKeyv` may import Keyv. */
export interface KeyvCapabilities {
  compatible: boolean;
  store: 'keyvStorage';
  methods: Record<(typeof methods)[number], Method>;
  expires: boolean;
}

/** What the adapter tells Keyv 6: every method, and that `set` takes an absolute time. */
export const capabilities: KeyvCapabilities = {
  compatible: true,
  store: 'keyvStorage',
  methods: Object.fromEntries(methods.map((name) => [name, { exists: true, methodType: 'async' }])) as KeyvCapabilities['methods'],
  expires: true,
};

const asynchronous = Object.getPrototypeOf(async () => {}) as object;

/**
 * Has Keyv 6 take these methods for asynchronous. If `capabilities` is undefined it looks at their constructor, and calls `has` with a key
 * of its own if that is not AsyncFunction. An `async` method cannot mark its own promise as handled, so the adapter has none.
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

/** By what each major exports and its predecessor does not. */
export function majorOf(keyv: KeyvModule): 4 | 5 | 6 {
  if (keyv.KeyvBridgeAdapter) return 6;
  return keyv.KeyvHooks ? 5 : 4;
}
