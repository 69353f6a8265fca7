// For `mocha --require`: lets monitoring tools watch whole suites. Every value that is stored as text ends with a mark, in blanks, which no
// parser of JSON minds. After the last spec it prints what the tools saw, as JSON.
import type { RootHookObject } from 'mocha';
import type { Stored } from '../../src/codec/entry.js';
import type { Codec } from '../../src/codec/serializers.js';
import { Apm } from './apm.js';
import { sharedServer } from './hooks.js';

const mark = ' \t\t \t   \t\t ';
const apm = new Apm([mark, JSON.stringify(mark).slice(1, -1)]);
let marked = 0;

const codecs = require('../../src/codec/codec.ts') as { createCodecs: (...args: unknown[]) => Record<'values' | 'raw', Codec> };
const { createCodecs } = codecs;

function withMark(stored: Stored): Stored {
  if (typeof stored !== 'string' || !/^[[{"]/.test(stored)) return stored;
  marked++;
  return stored + mark;
}

function marking(codec: Codec): Codec {
  return {
    ...codec,
    encode: (value) => {
      const stored = codec.encode(value);
      return stored instanceof Promise ? stored.then(withMark) : withMark(stored);
    },
  };
}

codecs.createCodecs = (...args) => {
  const { values, raw } = createCodecs(...args);
  return { values: marking(values), raw: marking(raw) };
};

let canary = 0;

export const mochaHooks: RootHookObject = {
  /** What a plain client of node-redis sends, they do see. */
  async beforeAll() {
    const { createClient } = require('@redis/client') as typeof import('@redis/client');
    const { url, adminUrl } = sharedServer();
    const client = await createClient({ url: adminUrl ?? url }).connect();
    await client.sendCommand(['EVAL', 'return 1', '0', `"a"${mark}`]);
    await client.close();
    canary = apm.leaks.splice(0).length;
  },
  afterAll() {
    console.log(`\nAPM ${JSON.stringify({ counts: apm.counts, marked, leaks: apm.leaks.slice(0, 5), canary })}`);
  },
};
