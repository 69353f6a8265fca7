import { expect } from 'chai';
import type { ClientOptions } from '../../../src/connection/client/client-options.js';
import { makeClient } from '../../../src/connection/client/make-client.js';

const classOf = (options: ClientOptions): unknown => Object.getPrototypeOf(Object.getPrototypeOf(makeClient(options)));

describe('clients of node-redis', () => {
  it('share their class whatever their addresses, and have one for each protocol version', () => {
    const [first, old] = [classOf({ socket: { port: 1 } }), classOf({ RESP: 2, socket: { port: 1 } })];
    expect(old).not.to.equal(first);
    expect(classOf({ socket: { port: 2 }, name: 'n' })).to.equal(first);
    expect(classOf({ RESP: 2, socket: { port: 2 } })).to.equal(old);
  });

  it('keep what their owner has added to them', () => {
    const scripts = { twice: { SCRIPT: 'return 2', NUMBER_OF_KEYS: 0, parseCommand() {}, transformReply: undefined } };
    expect(makeClient({ scripts } as never)).to.have.property('twice');
  });
});
