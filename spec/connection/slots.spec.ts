import { expect } from 'chai';
import fc from 'fast-check';
import { slotOf } from '../../src/connection/slots.js';
import { RedisServer } from '../support/redis.js';
import { rawClient } from '../support/wire.js';

describe('slots', () => {
  it('are those that Redis finds, wherever the braces are', async () => {
    const server = await RedisServer.start(['--cluster-enabled', 'yes']);
    const redis = await rawClient(server);
    try {
      const key = fc.string({ unit: fc.constantFrom('{', '}', 'a', 'b', ':', 'ü', '🙂'), maxLength: 12 });
      const keys = [...fc.sample(key, 2000), '{}', 'a{}', '{}{x}', 'u{}{x}', '{}{}{y}', '{{a}}', '{a', 'a}', '}{', 'a{b}c{d}', ''];
      const theirs = await Promise.all(keys.map((each) => redis.sendCommand(['CLUSTER', 'KEYSLOT', each])));
      for (const [i, each] of keys.entries()) {
        expect(slotOf(each), each).to.equal(theirs[i]);
        expect(slotOf(Buffer.from(each)), each).to.equal(theirs[i]);
      }
    } finally {
      redis.destroy();
      await server.stop();
    }
  });
});
