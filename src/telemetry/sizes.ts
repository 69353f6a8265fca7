import type { Stored } from '../codec/codec.js';

/** How many texts are measured before it is one in as many. A prime, so that it falls into step with no habit of the caller's. */
const every = 61;

/**
 * Adds up how many bytes values take as they are stored. To measure a text takes longer than all other counting together, so the
 * first 61 are measured and then one in 61; the others are taken to have as many bytes per character as those. Where all are ASCII
 * that is exact.
 */
export class Sizes {
  #texts = 0;
  #characters = 0;
  #bytes = 0;
  #ratio = 1;

  of(stored: Stored): number {
    if (typeof stored !== 'string') return stored.length;
    const turn = this.#texts++;
    if (turn >= every && turn % every !== 0) return stored.length * this.#ratio;
    const bytes = Buffer.byteLength(stored);
    this.#characters += stored.length;
    this.#bytes += bytes;
    if (bytes > 0) this.#ratio = this.#bytes / this.#characters;
    return bytes;
  }
}
