import type Keyv from 'keyv';
import * as installed from 'keyv';
import { keyvSerializer } from '../codec/serializers.js';
import type { KeyvRedisOptions } from './adapter.js';
import { KeyvRedisStoreV5 } from './v5.js';
import { KeyvRedisStore } from './v6.js';

/**
 * A Keyv on Redis, for whichever of Keyv 4, 5 and 6 is installed:
 * `createKeyv({ location: 'redis://localhost/1', namespace: 'users' })`. Keys stand in Redis as `namespace::key`, the same
 * under every major and the same as `@keyv/redis` writes them.
 *
 * `serialization`, `compression` and the other options of Keyv itself can be set on what it returns.
 *
 * @throws {OptionError} for an option that cannot be understood
 */
export function createKeyv<Value = unknown>(options: KeyvRedisOptions = {}): Keyv<Value> {
  return createKeyvOf(installed as unknown as KeyvModule, options) as Keyv<Value>;
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

/** What a Keyv was made of. */
export interface Origin {
  readonly keyv: KeyvModule;
  readonly adapter: unknown;
  /** What Keyv itself gets to know. */
  readonly namespace: string | undefined;
  readonly ttl: { readonly ttl?: unknown };
  /** Whether it puts its namespace in front of every key, as Keyv 4 does. */
  readonly prefixed: boolean;
}

const origins = new WeakMap<object, Origin>();

/** What {@link createKeyv} made this Keyv of. @internal */
export function origin(made: unknown): Origin | undefined {
  return typeof made === 'object' && made !== null ? origins.get(made) : undefined;
}

/** @internal */
export function createKeyvOf(keyv: KeyvModule, options: KeyvRedisOptions): unknown {
  const { namespace } = options;
  // Keyv keeps the time to live in its envelope too, so it has to know it; then the adapter must not, or an entry that is set
  // for ever would get it all the same. One that depends on the value is the adapter's alone.
  const known = typeof options.ttl === 'number' && options.ttl > 0 && Number.isFinite(options.ttl);
  const ttl = known ? { ttl: options.ttl } : {};
  const adapterOptions = known ? { ...options, ttl: undefined } : options;
  const prefixed = !keyv.KeyvBridgeAdapter && !keyv.KeyvHooks;
  const adapter = keyv.KeyvBridgeAdapter
    ? new KeyvRedisStore(adapterOptions)
    : new KeyvRedisStoreV5({ ...adapterOptions, useKeyPrefix: prefixed });
  const made = { keyv, adapter, namespace, ttl, prefixed };
  const result = wrapped(made, adapter) as object;
  origins.set(result, made);
  return result;
}

/** A Keyv of its major around the adapter. @internal */
export function wrapped({ keyv, namespace, ttl }: Origin, adapter: unknown): unknown {
  const Constructor = keyv.Keyv ?? keyv.default ?? keyv;
  if (keyv.KeyvBridgeAdapter) return new Constructor({ store: adapter, namespace, ...ttl });
  if (keyv.KeyvHooks) {
    // `throwOnErrors`: a deletion that failed would otherwise come back as `false`. Reads and writes of ours do not reject.
    // Keyv's own prefix would be a second one, and it takes `users:1` and `1` in the namespace `users` for the same key.
    // Its own way of writing values, by native JSON where that gives the same.
    const { stringify: serialize, parse } = keyvSerializer;
    const deserialize = (text: string): unknown => unexpired(parse(text) as Envelope | undefined);
    const v5 = new Constructor(adapter, { useKeyPrefix: false, throwOnErrors: true, serialize, deserialize, ...ttl });
    v5.namespace = namespace;
    return v5;
  }
  const v4 = new Constructor({ store: adapter, namespace: namespace ?? '', ...ttl });
  // Keyv 4 re-emits errors on an emitter that throws where nobody listens.
  v4.on('error', () => {});
  return v4;
}

interface Envelope {
  readonly expires?: number | null;
}

/** What expired on its way here is a miss. Keyv would delete it, and reject the read where that fails. */
function unexpired(envelope: Envelope | undefined): Envelope | undefined {
  return typeof envelope?.expires === 'number' && Date.now() > envelope.expires ? undefined : envelope;
}
