import { keyWeight } from './entry.js';

/**
 * Keys whose entries have left, and which are worth more if they return. They are in two sets: once the younger one is full, it takes the
 * place of the older one, whose keys are forgotten. Sets take less memory than a list from which single keys can leave.
 */
export class RememberedKeys {
  readonly #setBytes: number;
  #young = new Set<string>();
  #youngBytes = 0;
  #old = new Set<string>();

  /** `maxBytes`: the most bytes of the entries. The keys take half as much at most. */
  constructor(maxBytes: number) {
    this.#setBytes = maxBytes / 4;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /**
   * `entries`: how many there are now, which is about how many keys are remembered. With more of them, a scan that is repeated would be
   * taken for entries worth keeping. With few of them, a new working set would never get in.
   */
  add(key: string, entries: number): void {
    const bytes = keyWeight(key);
    if (bytes > this.#setBytes) return;
    if (this.#young.size >= entries / 2 || this.#youngBytes + bytes > this.#setBytes) {
      this.#old = this.#young;
      this.#young = new Set();
      this.#youngBytes = 0;
    }
    this.#young.add(key);
    this.#youngBytes += bytes;
  }

  /** Whether the key was remembered, which it no longer is. */
  delete(key: string): boolean {
    if (this.#young.delete(key)) {
      this.#youngBytes -= keyWeight(key);
      return true;
    }
    return this.#old.delete(key);
  }

  clear(): void {
    this.#young.clear();
    this.#youngBytes = 0;
    this.#old.clear();
  }
}
