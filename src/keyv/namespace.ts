import { check } from '../checks.js';
import { OptionError } from '../errors.js';
import { named } from '../messages.js';

/** The namespace that Keyv 4 and 5 set on an adapter by default. */
const defaultNamespace = 'keyv';

/**
 * The namespace of an adapter: its own, or that of the first Keyv. Later Keyvs cannot change it, because each would read and clear the
 * entries of the others.
 */
export class Namespace {
  name: string | undefined;
  readonly #own: string | undefined;
  #decided: boolean;
  #keyvs = 0;

  constructor(own: string | undefined) {
    check('namespace', 'a string', own, own === undefined || typeof own === 'string');
    this.#own = own;
    this.name = own;
    this.#decided = own !== undefined;
  }

  /** Fixes the namespace: only a Keyv with the same one may use the adapter from now on. */
  decide(): void {
    this.#decided = true;
  }

  /** Called when a Keyv attaches. If no namespace was assigned by then, the Keyv before it has none. */
  taken(): void {
    if (++this.#keyvs > 1) this.#decided = true;
  }

  /** @throws {OptionError} for a namespace other than the decided one */
  assign(name: string | undefined): void {
    if (!this.#decided) {
      this.name = name;
      // A Keyv without a namespace may still get one before its first use, as in `got`.
      this.#decided = Boolean(name);
      return;
    }
    const keepsOwn = this.#own !== undefined && (!name || name === defaultNamespace);
    if (keepsOwn || (name || undefined) === (this.name || undefined)) return;
    throw new OptionError(
      `expected the namespace of the Keyv to be ${named(this.name ?? '')}, which this adapter serves, got ${named(name ?? '')}: make an adapter ` +
        'for each Keyv, and pass the namespace to the constructor of the Keyv or of the adapter',
    );
  }
}

/**
 * The `namespace:` that Keyv 4 and 5 put in front of keys, unless their `useKeyPrefix` is false. The adapter strips it, so that keys in Redis
 * have one prefix, and restores it while Keyv iterates, because Keyv then strips it itself.
 */
export class KeyPrefix {
  /** Whether a Keyv 4 or 5 uses the adapter. */
  isTaken = false;
  readonly #useKeyPrefix: boolean | undefined;
  #text = '';
  /** The part that Keyv cuts off a key while it iterates: everything up to the first colon. */
  #label = '';
  #seen = false;
  #missed = false;

  /** `useKeyPrefix`: whether the Keyv adds a prefix, if that is known. */
  constructor(useKeyPrefix: boolean | undefined) {
    check('useKeyPrefix', 'a boolean', useKeyPrefix, useKeyPrefix === undefined || typeof useKeyPrefix === 'boolean');
    this.#useKeyPrefix = useKeyPrefix;
  }

  /** Called when a Keyv 4 or 5 with this namespace attaches. */
  take(namespace: string | undefined): void {
    this.isTaken = true;
    // Keyv 4 adds the colon without a namespace too, and `useKeyPrefix` is true only for it.
    this.#text = namespace ? `${namespace}:` : this.#useKeyPrefix ? ':' : '';
    // A colon in the namespace would end the label too early.
    this.#label = `${(namespace ?? '').replaceAll(':', '\0')}:`;
  }

  /** The caller's key. */
  strip(key: string): string {
    if (this.#useKeyPrefix === false || this.#text === '' || typeof key !== 'string') return key;
    if (!key.startsWith(this.#text)) {
      this.#missed = true;
      return key;
    }
    this.#seen = true;
    return key.slice(this.#text.length);
  }

  /** The key that Keyv turns back into the caller's while it iterates. */
  restore(key: string): string {
    const prefixes = this.#useKeyPrefix ?? (this.isTaken && (this.#seen || !this.#missed));
    return prefixes ? this.#label + key : key;
  }
}
