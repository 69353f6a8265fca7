/** Those who wait for word of a key. */
export class Ears {
  readonly #open = new Map<string, Set<AbortController>>();

  /** Listens for any of the keys; the signal is aborted at the first word of one. */
  listen(keys: readonly string[]): { readonly signal: AbortSignal; end(): void } {
    const ear = new AbortController();
    for (const key of keys) {
      const others = this.#open.get(key);
      if (others) others.add(ear);
      else this.#open.set(key, new Set([ear]));
    }
    const end = (): void => {
      for (const key of keys) {
        const ears = this.#open.get(key);
        if (ears?.delete(ear) && ears.size === 0) this.#open.delete(key);
      }
    };
    return { signal: ear.signal, end };
  }

  /** Something happened to the key. */
  tell(key: string): void {
    if (this.#open.size === 0) return;
    for (const ear of this.#open.get(key) ?? []) ear.abort();
  }

  /** Something may have happened to any key. */
  tellAll(): void {
    for (const ears of this.#open.values()) for (const ear of ears) ear.abort();
  }
}
