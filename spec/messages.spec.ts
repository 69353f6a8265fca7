import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { BreakerOpenError, redisStore } from '../src/index.js';
import { createKeyv, KeyvRedisStore } from '../src/keyv.js';
import { expected, named, printable, shown, shownMessage } from '../src/messages.js';
import { openStore, rejection } from './support/open.js';
import { greeting, Recorder, sentinelFor } from './support/recorder.js';

/** What a log or a terminal takes for more than text, but the ends of lines that `inspect` writes between the parts of an error. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be shown
const active = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
const characters = ['\n', '\r', '\t', '\0', '\u001b[2J', '\u0007', '\u007f', '\u009b', '\u061c', '\u200e', '\u200f', '\u2028', '\u2029'];
characters.push('\u202a', '\u202b', '\u202c', '\u202d', '\u202e', '\u2066', '\u2067', '\u2068', '\u2069', '\ufeff');

/** Text that would begin a line of a log of its own. */
const forged = 'FORGED';
const hostile = fc
  .array(fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...characters) }, { weight: 1, arbitrary: fc.string({ maxLength: 5 }) }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => `x${parts.join('')}\n${forged}`);

function inert(error: unknown): void {
  const { message } = error as Error;
  expect(message).not.to.match(active);
  expect(message).not.to.include('\n');
  const written = inspect(error, { depth: 10 });
  expect(written).not.to.match(active);
  expect(written.split('\n').filter((line) => line.trim().startsWith(forged))).to.deep.equal([]);
}

function refusal(make: () => unknown): unknown {
  try {
    make();
  } catch (error) {
    return error;
  }
  return undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: wrong options are the point
type Any = any;

/** Where text of others comes into an error at construction. */
const places: Record<string, (text: string) => unknown> = {
  'a location': (text) => redisStore({ location: text }),
  'a URL': (text) => redisStore({ location: `redis://${text}` }),
  'the name of an option': (text) => redisStore({ [text]: 1 } as Any),
  'the name of a member': (text) => redisStore({ breaker: { [text]: 1 } } as Any),
  'the name of an option of a socket': (text) => redisStore({ socket: { [`tls${text}`]: 1 } } as Any),
  'a host': (text) => redisStore({ socket: { host: text } }),
  'the option of a node': (text) => redisStore({ cluster: { rootNodes: [{ [text]: 1 }] } } as Any),
  'a word': (text) => redisStore({ onFailure: text } as Any),
  'a class': (text) => redisStore(Object.create({ constructor: { name: text } })),
  'an option of createKeyv': (text) => createKeyv({ throwOnErrors: true, onFailure: text } as Any),
  'a second namespace': (text) => {
    const adapter = new KeyvRedisStore({ namespace: 'a' }) as Any;
    adapter.namespace = 'a';
    adapter.namespace = text;
  },
};

/** Where it comes into an error of a call. */
const calls: Record<string, (store: Any, text: string) => Promise<unknown>> = {
  'the name of an option': (store, text) => store.clear({ [text]: 1 }),
  'an option of a write': (store, text) => store.set('k', 1, { [text]: 1 }),
  'a time to live': (store, text) => store.set('k', 1, text),
  'a cursor': async (store, text) => {
    for await (const _ of store.reencode({ cursor: text })) break;
  },
  'a tag': (store, text) => store.invalidateTags([text, 5]),
};

describe('messages', () => {
  it('show numbers, kinds and lengths, and words where words are right', () => {
    const cases: [unknown, string][] = [
      [5, '5'],
      [undefined, 'undefined'],
      [null, 'null'],
      ['', 'a string of 0 characters'],
      ['s', 'a string of 1 character'],
      ['S3CRET', 'a string of 6 characters'],
      [[], 'an array'],
      [{}, 'an object'],
      [() => 1, 'a function'],
      [Symbol('S3CRET'), 'a symbol'],
      [5n, 'a bigint'],
    ];
    for (const [value, text] of cases) expect(shown(value)).to.equal(text);
    expect(expected('a', "'miss' or 'throw'", 'mis')).to.equal("expected `a` to be 'miss' or 'throw', got `\"mis\"`");
    expect(expected('a', "'miss' or 'throw'", 'S3CRET')).to.include('a string of 6 characters');
    expect(expected('a', 'a function', 'secret')).to.include('a string of 6 characters');
    expect([named('tsl', 'socket.'), named('a b')]).to.deep.equal(['`socket.tsl`', '`(a name of 3 characters)`']);
  });

  it('escape what is more than text, and nothing else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const safe = printable(text);
        expect(safe).not.to.match(active);
        expect(safe).not.to.include('\n');
        if (!active.test(text) && !text.includes('\n')) expect(safe).to.equal(text);
      }),
    );
    expect(printable('a\n\u001b[2J\u202e\u2028é')).to.equal('a\\n\\x1b[2J\\u202e\\u2028é');
    expect(shownMessage('x'.repeat(600))).to.equal(`${'x'.repeat(470)}… (600 characters)`);
    for (const once of [shownMessage('\n'.repeat(600)), shownMessage('x'.repeat(1e6))]) expect(shownMessage(once)).to.equal(once);
  });

  for (const [place, make] of Object.entries(places)) {
    it(`at construction are inert text, whatever ${place} holds`, () => {
      fc.assert(
        fc.property(hostile, (text) => {
          const error = refusal(() => make(text));
          expect(error).to.be.instanceOf(TypeError);
          inert(error);
          expect((error as Error).message).not.to.include(forged);
        }),
        { numRuns: 50 },
      );
    });
  }

  for (const [place, call] of Object.entries(calls)) {
    it(`of calls are inert text, whatever ${place} holds`, async () => {
      const store = openStore({ location: 'memory:', tags: true });
      await fc.assert(
        fc.asyncProperty(hostile, async (text) => {
          const error = await rejection<Error>(call(store, text));
          inert(error);
          expect(error.message).not.to.include(forged);
        }),
        { numRuns: 50 },
      );
    });
  }

  for (const parser of [undefined, 'auto'] as const) {
    for (const kind of ['-ERR ', '-MOVED 1 127.0.0.1:1', '-WRONGPASS ', '-NOPERM ', '?', ...(parser ? [] : ['!'])]) {
      it(`are inert text, whatever the server says, ${kind} by ${parser ?? 'node-redis'}`, async () => {
        let text = '';
        const answer = (): string => {
          const line = `${kind}${text}`.replaceAll('\r', '');
          return kind === '!' ? `!${Buffer.byteLength(text)}\r\n${text}\r\n` : `${line}\r\n`;
        };
        const server = await Recorder.start(greeting(([name]) => (name === 'GET' || name === 'AUTH' ? answer() : undefined)));
        await fc.assert(
          fc.asyncProperty(hostile, async (said) => {
            text = said;
            const store = openStore({ location: `127.0.0.1:${server.port}`, parser, onFailure: 'throw', breaker: false, name: 'n' });
            inert(await rejection(store.get('k')));
            for (const error of store.errors) inert(error);
            inert(new BreakerOpenError(store.errors[0]));
            await store.disconnect();
          }),
          { numRuns: 12 },
        );
      });
    }
  }

  it('are inert text where sentinels and their nodes say what they like', async () => {
    let text = '';
    const node = await Recorder.start(
      greeting(([name]) => (name === 'ROLE' ? `*1\r\n$${Buffer.byteLength(text)}\r\n${text}\r\n` : undefined)),
    );
    const sentinel = await Recorder.start(sentinelFor(() => node.port));
    const refusing = await Recorder.start(
      greeting(([name]) => (name === 'SENTINEL' ? `-ERR ${text.replaceAll('\r', '')}\r\n` : undefined)),
    );
    await fc.assert(
      fc.asyncProperty(hostile, async (said) => {
        text = said;
        for (const { port } of [sentinel, refusing]) {
          const store = openStore({ timeout: 1000, sentinel: { name: said, sentinelRootNodes: [{ host: '127.0.0.1', port }] } });
          inert(await rejection(store.ready()));
          await store.disconnect();
        }
      }),
      { numRuns: 8 },
    );
  });

  it('of the process are inert text, whatever a listener throws', async () => {
    const store = openStore({ location: 'memory:' });
    store.on('set', () => {
      throw new Error(`x\u001b[2J\n${forged}\u202e`);
    });
    const warned = once(process, 'warning');
    await store.set('k', 1);
    const [{ message }] = (await warned) as [Error];
    expect(message).to.include(forged).and.not.include('\n').and.not.match(active);
  });

  it('cannot be forgotten: every warning and every error is made where they are escaped', () => {
    const src = join(__dirname, '..', 'src');
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const using = (pattern: RegExp): string[] => files.filter((file) => pattern.test(readFileSync(join(src, file), 'utf8')));
    expect(using(/emitWarning|console\./)).to.deep.equal(['messages.ts']);
    // That of the loads has no message, and no caller gets it.
    expect(using(/extends (Error|TypeError|RangeError)\b/).sort()).to.deep.equal([
      'argument-errors.ts',
      'errors.ts',
      'load/factory-runner.ts',
    ]);
  });
});
