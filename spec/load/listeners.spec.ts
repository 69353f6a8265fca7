import { tracingChannel } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { openStore } from '../support/open.js';

describe('what listens to a load', () => {
  it('joins it with getOrSet of the same key, also from a listener for misses', async () => {
    const store = openStore();
    let inner: Promise<unknown> | undefined;
    store.on('miss', ({ key }) => {
      inner ??= store.getOrSet(key, () => 'inner');
    });
    expect(await store.getOrSet('k', () => 'outer')).to.equal('outer');
    expect(await inner).to.equal('outer');
  });

  it('joins it from a subscriber to the traces of its commands, and gets its error', async () => {
    const store = openStore();
    const channel = tracingChannel('redis-tier:command');
    let inner: Promise<unknown> | undefined;
    const subscriber = {
      start({ command }: { command?: string }) {
        if (command === 'EVALSHA') inner ??= store.getOrSet('k', () => 'inner').catch((error: unknown) => error);
      },
    };
    channel.subscribe(subscriber as never);
    try {
      const failure = new Error('no source');
      const outer = store.getOrSet('k', () => sleep(20).then(() => Promise.reject(failure)));
      expect(await outer.catch((error: unknown) => error)).to.equal(failure);
      expect(await inner).to.equal(failure);
    } finally {
      channel.unsubscribe(subscriber as never);
    }
  });
});
