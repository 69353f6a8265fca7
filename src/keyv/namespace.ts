import { OptionError, shown } from '../errors.js';

/** The namespace that Keyv 4 and 5 set on an adapter if their user gave none. */
const nameless = 'keyv';

/**
 * The namespace of an adapter: its own, or the one that the first Keyv brings. It never changes afterwards: two Keyvs that took turns would
 * read and clear each other's entries.
 */
export class Namespace {
  readonly #own: string | undefined;
  #name: string | undefined;
  #decided: boolean;
  #takers = 0;

  constructor(own: string | undefined) {
    if (own !== undefined && typeof own !== 'string') throw new OptionError(`expected \`namespace\` to be a string, got \`${shown(own)}\``);
    this.#own = own;
    this.#name = own;
    this.#decided = own !== undefined;
  }

  get name(): string | undefined {
    return this.#name;
  }

  /** From now on only a Keyv with the same namespace may take the adapter. */
  decide(): void {
    this.#decided = true;
  }

  /** A Keyv listens to the adapter: the one before it had no namespace, if none was assigned yet. */
  taken(): void {
    if (++this.#takers > 1) this.#decided = true;
  }

  /** @throws {OptionError} for a namespace other than the decided one */
  assign(name: string | undefined): void {
    if (!this.#decided) {
      this.#name = name;
      // A Keyv without a namespace may still be given one, as the cache of `got` does, before it is used.
      this.#decided = Boolean(name);
      return;
    }
    const keepsOwn = this.#own !== undefined && (!name || name === nameless);
    if (keepsOwn || (name || undefined) === (this.#name || undefined)) return;
    throw new OptionError(
      `this adapter serves the namespace ${shown(this.#name ?? '')} and cannot serve ${shown(name ?? '')} too: make an adapter for each ` +
        'Keyv, and give the namespace to the constructor of the Keyv or of the adapter',
    );
  }
}
