import { expect } from 'chai';
import { RefusedCommands, type Substituted } from '../../src/commands/refused.js';
import type { Connection } from '../../src/connection/connection.js';
import { CommandError, ConnectionError, UnavailableError, UnsupportedError } from '../../src/errors.js';
import { performance } from '../../src/time/clock.js';

const second = 1000;

describe('commands that may be refused', () => {
  const { now } = performance;
  let [time, refused] = [0, new RefusedCommands(new Set())];

  beforeEach(() => {
    [time, refused] = [0, new RefusedCommands(new Set())];
    performance.now = () => time;
  });

  afterEach(() => {
    performance.now = now;
  });

  /** One call a second later. @returns what answered: `command`, `substitute` or an error */
  async function call(command: Substituted, failure?: Error, after: Connection['status'] = 'reconnecting'): Promise<unknown> {
    time += second;
    const connection = { status: 'ready' } as { status: Connection['status'] };
    const answer = (name: string) => async (): Promise<string> => {
      if (!failure || (name === 'substitute' && failure instanceof CommandError)) return name;
      connection.status = after;
      throw failure;
    };
    const [send, instead] = [answer('command'), answer('substitute')];
    return refused.either(connection as Connection, command, send, instead).catch((error: unknown) => error);
  }

  const lost = new ConnectionError('lost');
  const denied = (command: string) => new CommandError('', { cause: new Error(`ERR unknown command '${command}'`) });

  /** The connection is lost under the command so often, each time after what stands in for it was answered. */
  async function lose(command: Substituted, times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      expect(await call(command, lost)).to.equal(lost);
      if (i < times - 1) await call(command);
    }
  }

  it('are not sent again once they were, and scripts and SCAN are after a minute', async () => {
    for (const command of ['MGET', 'EVAL'] as const) {
      expect(await call(command, denied(command))).to.equal('substitute');
      expect(await call(command)).to.equal('substitute');
      time += 60 * second;
      expect(await call(command)).to.equal(command === 'EVAL' ? 'command' : 'substitute');
    }
  });

  it('are guessed after three connections that were lost, for a minute, and again if another one is', async () => {
    for (let i = 0; i < 2; i++) {
      expect(await call('MGET', lost)).to.equal(lost);
      // Whether it is the network shows what stands in for it.
      expect(await call('MGET')).to.equal('substitute');
    }
    await call('MGET', lost);
    for (let i = 0; i < 59; i++) expect(await call('MGET')).to.equal('substitute');
    time += second;
    expect(await call('MGET', lost)).to.equal(lost);
    for (let i = 0; i < 59; i++) expect(await call('MGET')).to.equal('substitute');
    time += second;
    expect(await call('MGET')).to.equal('command');
    // It was answered.
    for (let i = 0; i < 5; i++) await call('MGET', lost);
    expect(await call('MGET')).to.equal('command');
  });

  for (let losses = 1; losses < 10; losses++) {
    it(`are not guessed after ${losses} losses of an outage: once Redis is well, they are sent`, async () => {
      for (let i = 0; i < losses; i++) expect(await call('MGET', lost)).to.equal(lost);
      // Redis is back: what stands in for it is answered at most once.
      if ((await call('MGET')) === 'substitute') expect(await call('MGET')).to.equal('command');
      for (let i = 0; i < 9; i++) await call('MGET', lost);
      expect(await call('MGET')).to.equal('command');
    });
  }

  it('are not guessed if what stands in for them is lost too: Redis is unwell', async () => {
    await lose('MGET', 3);
    expect(await call('MGET', lost)).to.equal(lost);
    expect(await call('MGET')).to.equal('command');
  });

  it('are not guessed if the losses are far apart: a connection that is idle may be lost as such', async () => {
    for (let i = 0; i < 5; i++) {
      await call('UNLINK', lost);
      expect(await call('UNLINK')).to.equal('substitute');
      time += 10 * second;
    }
    expect(await call('UNLINK')).to.equal('command');
  });

  it('are suspected once, however many calls were lost with the connection', async () => {
    const connection = { status: 'ready' } as { status: Connection['status'] };
    const losing: (() => void)[] = [];
    const send = (): Promise<string> => new Promise((_, reject) => losing.push(() => reject(lost)));
    const instead = async (): Promise<string> => 'substitute';
    const calls = Array.from({ length: 5 }, () => refused.either(connection as Connection, 'MGET', send, instead).catch(() => {}));
    connection.status = 'reconnecting';
    for (const [i, lose] of losing.entries()) {
      lose();
      await calls[i];
      // However long the calls before it took to go on.
      time += second;
      if (i === 2) await call('MGET');
    }
    expect(await call('MGET')).to.equal('command');
  });

  it('are not cleared by the loss of what stands in for them, if it was lost with them', async () => {
    await lose('MGET', 3);
    for (let i = 0; i < 59; i++) await call('MGET');
    const connection = { status: 'ready' } as { status: Connection['status'] };
    const losing: (() => void)[] = [];
    const send = (): Promise<string> => new Promise((_, reject) => losing.push(() => reject(lost)));
    const before = refused.either(connection as Connection, 'MGET', send, send).catch(() => {});
    time += second;
    const after = refused.either(connection as Connection, 'MGET', send, send).catch(() => {});
    connection.status = 'reconnecting';
    for (const lose of losing) lose();
    await Promise.all([before, after]);
    expect(await call('MGET')).to.equal('substitute');
    expect(await call('MGET')).to.equal('substitute');
  });

  it('are not guessed if the connection is still up: a node of a cluster is away, or the call came too late', async () => {
    for (let i = 0; i < 3; i++) await call('MGET', lost, 'ready');
    expect(await call('MGET')).to.equal('command');
  });

  it('are not guessed once the command was answered, with an error too', async () => {
    await call('PTTL', new UnavailableError('LOADING', { cause: new Error('LOADING') }));
    for (let i = 0; i < 3; i++) await call('PTTL', lost);
    expect(await call('PTTL')).to.equal('command');
  });

  it('are not guessed if nothing stands in for them', async () => {
    for (const command of ['EVAL', 'SCAN'] as const) {
      for (let i = 0; i < 3; i++) await call(command, lost);
      expect(await call(command)).to.equal('command');
    }
    expect(() => refused.learn('EVAL', new UnsupportedError('x'))).to.throw(UnsupportedError);
  });

  it('say in the warning that it is a guess', async () => {
    const warnings: string[] = [];
    const listener = ({ message }: Error): void => void warnings.push(message);
    process.on('warning', listener);
    await lose('GETDEL', 3);
    await call('GETDEL');
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listener);
    expect(warnings.filter((message) => message.includes('GETDEL'))).to.deep.equal([
      'Redis may refuse GETDEL: connections were lost under it. For a minute ' +
        '`getAndDelete` runs a script instead, or without scripts GET and DEL, between which a write is lost',
    ]);
  });
});
