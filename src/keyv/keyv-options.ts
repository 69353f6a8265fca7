import { expected, OptionError } from '../errors.js';
import type { KeyvRedisOptions } from './adapter.js';

/** Options of Keyv itself that `createKeyv` passes on, each to the majors that have it. */
export interface OwnOptions {
  /** Whether the Keyv emits `error`. `false` for `got`, whose cache fails a request for each of them. Default true. */
  readonly emitErrors?: boolean | undefined;
  /** Keyv 4 and 5: whether failed calls reject, the same as `onFailure: 'throw'`. Default false. */
  readonly throwOnErrors?: boolean | undefined;
  /** Keyv 4 and 5: makes text of Keyv's envelope, the object `{ value, expires }`. Default: JSON in which Buffers survive. */
  readonly serialize?: ((data: never) => string | Promise<string>) | undefined;
  /** Keyv 4 and 5: the way back. */
  readonly deserialize?: ((text: string) => unknown) | undefined;
  /** Keyv 6: both. */
  readonly serialization?: { stringify(data: unknown): string | Promise<string>; parse(text: string): unknown } | undefined;
  /** Keyv 5 and 6: whether the Keyv counts hits and misses in its own `stats`. Default false. */
  readonly stats?: boolean | undefined;
  /** Keyv 6: whether the Keyv looks at the expiry of entries itself, so that `has` reads the value. Default true. */
  readonly checkExpired?: boolean | undefined;
  /** Keyv 6: how it cleans keys and namespaces. */
  readonly sanitize?: unknown;
}

/** Which majors of Keyv know an option. */
const majorsOf: Record<keyof OwnOptions, readonly number[]> = {
  emitErrors: [4, 5, 6],
  throwOnErrors: [4, 5],
  serialize: [4, 5],
  deserialize: [4, 5],
  serialization: [6],
  stats: [5, 6],
  checkExpired: [6],
  sanitize: [6],
};

/** The options of `createKeyv`, for whom they are. */
export interface SplitOptions {
  readonly adapter: KeyvRedisOptions;
  readonly namespace: string | undefined;
  readonly ttl: { readonly ttl?: unknown };
  readonly own: OwnOptions;
}

/** @throws {OptionError} for an option that the major does not have */
export function keyvOptions(major: 4 | 5 | 6, options: KeyvRedisOptions & OwnOptions): SplitOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const isOwn = (name: string): name is keyof OwnOptions => Object.hasOwn(majorsOf, name);
  const own: Record<string, unknown> = Object.fromEntries(given.filter(([name]) => isOwn(name)));
  const rest = Object.fromEntries(given.filter(([name]) => !isOwn(name))) as KeyvRedisOptions;

  const vain = Object.keys(own).filter((name) => !majorsOf[name as keyof OwnOptions].includes(major));
  if (vain.length > 0) throw new OptionError(`Keyv ${major} does not have the ${vain.map((name) => `option \`${name}\``).join(', ')}`);
  if ('useKeyPrefix' in rest) throw new OptionError('createKeyv does not take `useKeyPrefix`: its Keyv never adds a prefix of its own');
  for (const name of ['throwOnErrors', 'emitErrors']) {
    if (name in own && typeof own[name] !== 'boolean') throw new OptionError(expected(name, 'a boolean', own[name]));
  }
  const throws = own['throwOnErrors'] ?? rest.onFailure === 'throw';
  if (rest.onFailure !== undefined && throws !== (rest.onFailure === 'throw')) {
    throw new OptionError(`\`throwOnErrors: ${throws}\` contradicts \`onFailure: '${rest.onFailure}'\``);
  }

  // Keyv keeps the time to live in its envelope too, so it has to know it; then the adapter must not, or an entry that is set for ever
  // would get it all the same. One that depends on the value is the adapter's alone.
  const { namespace, ttl } = rest;
  const known = typeof ttl === 'number' && ttl > 0 && Number.isFinite(ttl);
  return {
    adapter: {
      ...rest,
      useKeyPrefix: major === 4,
      ...(known ? { ttl: undefined } : {}),
      ...(throws ? { onFailure: 'throw' } : {}),
    },
    namespace,
    ttl: known ? { ttl } : {},
    own: major === 5 ? { ...own, throwOnErrors: throws as boolean } : own,
  };
}
