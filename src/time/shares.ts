/** Work that takes shares of something. What finds too few left waits until others have ended, in order. */
export class Shares {
  #left: number;
  readonly #all: number;
  readonly #waiting: { readonly share: number; readonly begin: () => void }[] = [];

  constructor(all: number) {
    this.#left = all;
    this.#all = all;
  }

  /** Work that takes more than there is runs alone. */
  async run<T>(wanted: number, work: () => Promise<T>): Promise<T> {
    const share = Math.min(wanted, this.#all);
    if (share > this.#left || this.#waiting.length > 0) await new Promise<void>((begin) => this.#waiting.push({ share, begin }));
    else this.#left -= share;
    try {
      return await work();
    } finally {
      this.#left += share;
      this.#beginNext();
    }
  }

  #beginNext(): void {
    for (let next = this.#waiting[0]; next !== undefined && next.share <= this.#left; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#left -= next.share;
      next.begin();
    }
  }
}
