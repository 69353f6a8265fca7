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

  async function loseThrice(command: Substituted, after?: Connection['status']): Promise<void> {
    for (let i = 0; i < 3; i++) await call(command, lost, after);
  }

  it('are not sent again once they were, and scripts and SCAN are after a minute', async () => {
    for (const command of ['MGET', 'EVAL'] as const) {
      expect(await call(command, denied(command))).to.equal('substitute');
      expect(await call(command)).to.equal('substitute');
      time += 60 * second;
      expect(await call(command)).to.equal(command === 'EVAL' ? 'command' : 'substitute');
    }
  });

  it('are guessed after three connections that were lost, for a minute', async () => {
    await call('MGET', lost);
    await call('MGET', lost);
    expect(await call('MGET', lost)).to.equal(lost);
    expect(await call('MGET')).to.equal('substitute');
    time += 60 * second;
    // One loss proves nothing, then as at first.
    expect(await call('MGET', lost)).to.equal(lost);
    expect(await call('MGET')).to.equal('command');
    await loseThrice('MGET');
    expect(await call('MGET')).to.equal('command');
  });

  it('are not guessed if what stands in for them is lost too: Redis is unwell', async () => {
    await loseThrice('MGET');
    expect(await call('MGET', lost)).to.equal(lost);
    expect(await call('MGET')).to.equal('command');
  });

  it('are not guessed if the losses are far apart', async () => {
    for (let i = 0; i < 5; i++) {
      await call('UNLINK', lost);
      time += 10 * second;
    }
    expect(await call('UNLINK')).to.equal('command');
  });

  it('are not guessed if the connection is still up: a node of a cluster is away, or the call came too late', async () => {
    await loseThrice('MGET', 'ready');
    expect(await call('MGET')).to.equal('command');
  });

  it('are not guessed once the command was answered, with an error too', async () => {
    await call('PTTL', new UnavailableError('LOADING', { cause: new Error('LOADING') }));
    await loseThrice('PTTL');
    expect(await call('PTTL')).to.equal('command');
  });

  it('are not guessed if nothing stands in for them', async () => {
    for (const command of ['EVAL', 'SCAN'] as const) {
      await loseThrice(command);
      expect(await call(command)).to.equal('command');
    }
    expect(() => refused.learn('EVAL', new UnsupportedError('x'))).to.throw(UnsupportedError);
  });

  it('say in the warning that it is a guess', async () => {
    const warnings: string[] = [];
    const listener = ({ message }: Error): void => void warnings.push(message);
    process.on('warning', listener);
    await loseThrice('GETDEL');
    await call('GETDEL');
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listener);
    expect(warnings.filter((message) => message.includes('GETDEL'))).to.deep.equal([
      'Redis may refuse GETDEL: connections were lost under it. For a minute ' +
        '`getAndDelete` runs a script instead, or without scripts GET and DEL, between which a write is lost',
    ]);
  });
});
