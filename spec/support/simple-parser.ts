import type { Parser, ParserOptions, Reply } from '../../src/index.js';

/** A parser as a user might write one: short, recursive, and starting over when a reply is not whole. */
export class SimpleParser implements Parser {
  readonly #options: ParserOptions;
  #data = Buffer.alloc(0);

  constructor(options: ParserOptions) {
    this.#options = options;
  }

  execute(chunk: Buffer): void {
    this.#data = Buffer.concat([this.#data, chunk]);
    for (let found = this.#read(0); found; found = this.#read(0)) {
      this.#data = this.#data.subarray(found.end);
      if (found.reply instanceof Error) this.#options.returnError(found.reply);
      else this.#options.returnReply(found.reply);
    }
  }

  #read(at: number): { reply: Reply | Error; end: number } | undefined {
    const line = this.#data.indexOf('\r\n', at);
    if (line === -1) return undefined;
    const text = this.#data.toString('utf8', at + 1, line);
    const end = line + 2;
    switch (String.fromCharCode(this.#data[at] as number)) {
      case '+':
        return { reply: text, end };
      case '-':
        return { reply: new Error(text), end };
      case ':':
        return { reply: Number(text), end };
      case '$':
        if (text === '-1') return { reply: null, end };
        if (this.#data.length < end + Number(text) + 2) return undefined;
        return { reply: this.#data.subarray(end, end + Number(text)), end: end + Number(text) + 2 };
      case '*': {
        const items: Reply[] = [];
        let next = end;
        for (let i = 0; i < Number(text); i++) {
          const item = this.#read(next);
          if (!item) return undefined;
          items.push(item.reply as Reply);
          next = item.end;
        }
        return { reply: text === '-1' ? null : items, end: next };
      }
      default:
        this.#options.returnFatalError(new Error('no reply begins like this'));
        return undefined;
    }
  }
}
