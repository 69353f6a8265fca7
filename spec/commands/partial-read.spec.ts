import { expect } from 'chai';
import { entriesOf, partOf } from '../../src/commands/partial-read.js';
import { CommandError, type StoreOptions } from '../../src/index.js';
import { createKeyv } from '../../src/keyv.js';
import { closing, openStore, rejection } from '../support/open.js';
import { greeting, Recorder } from '../support/recorder.js';

const failure = '-upstream failure\r\n';

/** A proxy such as Envoy: it fetches each key by itself, and answers an error in place of a value that it could not fetch. */
async function proxyOf(values: Map<string, string>, isLost: (key: string) => boolean): Promise<string> {
  const answer = (key: string): string => {
    if (isLost(key)) return failure;
    const value = values.get(key);
    return value === undefined ? '$-1\r\n' : `$${value.length}\r\n${value}\r\n`;
  };
  const proxy = await Recorder.start(
    greeting(([name, ...keys]) => {
      if (name === 'GET') return answer(keys[0] as string);
      if (name === 'MGET') return `*${keys.length}\r\n${keys.map(answer).join('')}`;
      return name === 'PTTL' ? ':-1\r\n' : undefined;
    }),
  );
  return `127.0.0.1:${proxy.port}`;
}

const kinds: Record<string, StoreOptions> = {
  'node-redis': {},
  'node-redis with RESP 2': { RESP: 2 },
  'a direct connection': { parser: 'auto' },
};

for (const [kind, options] of Object.entries(kinds)) {
  describe(`an error in place of a value: ${kind}`, () => {
    const values = new Map([
      ['p:a', '"one"'],
      ['p:c', '"three"'],
    ]);
    const open = async (more: StoreOptions = {}, isLost = (key: string): boolean => key === 'p:b') =>
      openStore({ location: await proxyOf(values, isLost), prefix: 'p', ...options, ...more });

    it('is a miss with an event, and the other keys have their values', async () => {
      const store = await open();
      expect(await store.mget('a', 'b', 'c', 'd')).to.deep.equal(['one', undefined, 'three', undefined]);
      expect(store.errors.map(({ code, operation, key }) => [code, operation, key])).to.deep.equal([['ERR_COMMAND', 'mget', 'b']]);
      expect(store.errors[0]?.message).to.contain('upstream failure');
      // A failed read is neither a hit nor a miss.
      expect(store.stats()).to.include({ hits: 2, misses: 1, failures: 1 });
    });

    it('rejects where failures are thrown, once', async () => {
      const store = await open({ onFailure: 'throw' });
      const error = await rejection(store.mget('a', 'b', 'c'));
      expect(error).to.be.instanceOf(CommandError).and.include({ code: 'ERR_COMMAND', operation: 'mget' });
      expect(store.errors).to.deep.equal([error]);
    });

    it('fails the read of its key only, where reads of one tick leave together', async () => {
      const store = await open();
      expect(await Promise.all(['a', 'b', 'c'].map((key) => store.get(key)))).to.deep.equal(['one', undefined, 'three']);
      expect(store.errors.map(({ code, operation, key }) => [code, operation, key])).to.deep.equal([['ERR_COMMAND', 'get', 'b']]);
      const throwing = await open({ onFailure: 'throw' });
      const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((key) => throwing.get(key)));
      expect(outcomes.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
    });

    it('is no value of `getOrSet`, whose function runs', async () => {
      const store = await open();
      const made = ['a', 'b'].map((key) => store.getOrSet(key, () => 'made', { lease: false }));
      expect(await Promise.all(made)).to.deep.equal(['one', 'made']);
      expect(store.errors.some(({ code, key }) => code === 'ERR_COMMAND' && key === 'b')).to.equal(true);
    });

    it('is a miss through Keyv, which has the other values', async () => {
      const location = await proxyOf(
        new Map([
          ['n::a', '{"value":1}'],
          ['n::c', '{"value":3}'],
        ]),
        (key) => key === 'n::b',
      );
      const keyv = closing(createKeyv({ location, namespace: 'n', ...options } as never));
      const events: string[] = [];
      keyv.on('error', ({ code, key }: { code: string; key: string }) => events.push(`${code} ${key}`));
      expect(await keyv.get(['a', 'b', 'c'])).to.deep.equal([1, undefined, 3]);
      expect(events).to.deep.equal(['ERR_COMMAND b']);
    });

    it('is nothing that an outage serves, or that counts as held', async () => {
      let isLost = true;
      const store = await open({ offline: {} }, (key) => isLost && key === 'p:a');
      expect(await store.mget('a', 'c')).to.deep.equal([undefined, 'three']);
      isLost = false;
      expect(await store.mget('a', 'c')).to.deep.equal(['one', 'three']);
    });
  });
}

describe('a read of several keys', () => {
  it('tells what it found although it failed', () => {
    const reply = (): unknown => entriesOf(['a', 'b'], [Buffer.from('1'), new Error('upstream failure')]);
    try {
      reply();
      expect.fail('it should have thrown');
    } catch (error) {
      expect(error).to.be.instanceOf(CommandError);
      expect(partOf(error)?.get('a')).to.include({ found: true });
      expect(partOf(error)?.get('b')).to.be.instanceOf(CommandError);
    }
    expect(entriesOf(['a', 'b'], [Buffer.from('1'), null]).map(({ found }) => found)).to.deep.equal([true, false]);
    expect(partOf(new Error('x'))).to.equal(undefined);
    expect(partOf(undefined)).to.equal(undefined);
  });
});
