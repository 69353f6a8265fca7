/**
 * What Keyv 4 and 5 put in front of keys: `namespace:`, unless `useKeyPrefix` is false. The adapter takes it off, so that keys in Redis
 * have one prefix, and puts it back while it iterates, because Keyv then takes it off itself.
 */
export class KeyPrefix {
  readonly #useKeyPrefix: boolean | undefined;
  #text = '';
  /** What Keyv cuts off a key while it iterates: everything up to the first colon. */
  #label = '';
  #taken = false;
  #seen = false;
  #missed = false;

  /** `useKeyPrefix`: what the Keyv does, if that is known. */
  constructor(useKeyPrefix: boolean | undefined) {
    this.#useKeyPrefix = useKeyPrefix;
  }

  /** Whether a Keyv 4 or 5 uses the adapter. */
  get taken(): boolean {
    return this.#taken;
  }

  /** A Keyv with this namespace has taken the adapter. */
  take(namespace: string | undefined): void {
    this.#taken = true;
    // Keyv 4 adds the colon without a namespace too; it is the one that is told to use a prefix.
    this.#text = namespace ? `${namespace}:` : this.#useKeyPrefix ? ':' : '';
    // A colon inside would end the label too early.
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

  /** The caller's key in a form from which Keyv makes the caller's key. */
  restore(key: string): string {
    const prefixes = this.#useKeyPrefix ?? (this.#taken && (this.#seen || !this.#missed));
    return prefixes ? this.#label + key : key;
  }
}
