import { expect } from 'chai';
import { Fleet } from '../support/fleet.js';
import type { Question } from '../support/loading-member.js';
import type { RedisServer } from '../support/redis.js';
import { commandStats, onOwnServer, type RawClient } from '../support/wire.js';

const processes = 20;

describe('getOrSet in 20 processes that ask for one cold key 50 times each', function () {
  this.timeout(60_000);
  let server: RedisServer;
  let redis: RawClient;
  let fleet: Fleet;
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  });
  before(async () => {
    fleet = new Fleet('spec/support/loading-member.ts');
    await fleet.start(processes, server.location);
  });
  after(() => fleet.stop());

  /** Asks all for the key: who called the function, and what each process that lived to tell got. */
  async function ask(question: Question, onCalled: (by: number, calls: number) => void = () => {}) {
    const calls: number[] = [];
    const answers = await Promise.all(
      fleet.members.map(
        (member) =>
          new Promise<number[] | undefined>((resolve) => {
            member.on('message', (message: { called?: number; answers?: number[] }) => {
              if (message.called !== undefined) onCalled(message.called, calls.push(message.called));
              if (message.answers) resolve(message.answers);
            });
            member.once('exit', () => resolve(undefined));
            member.send(question);
          }),
      ),
    );
    return { calls, answers: answers.filter((each) => each !== undefined) };
  }

  it('calls the function once, and the others ask Redis fewer than five times per process', async () => {
    await redis.configResetStat();
    const { calls, answers } = await ask({ key: 'cold', takes: 150, lease: 10_000 });
    const { 'config|resetstat': _, info: __, ...stats } = await commandStats(redis);
    expect(calls).to.have.lengthOf(1);
    expect(new Set(answers.flat())).to.deep.equal(new Set(calls));
    expect(answers.flat()).to.have.lengthOf(processes * 50);
    const sent = Object.values(stats).reduce((sum, count) => sum + count, 0);
    expect(sent, JSON.stringify(stats)).to.be.below(5 * (processes - 1));
  });

  it('calls it exactly once more where the process that called it is killed', async () => {
    const { calls, answers } = await ask({ key: 'killed', takes: 300, lease: 1000 }, (by, count) => {
      if (count === 1) process.kill(by, 'SIGKILL');
    });
    expect(calls).to.have.lengthOf(2);
    expect(new Set(answers.flat())).to.deep.equal(new Set([calls[1]]));
    expect(answers.flat()).to.have.lengthOf((processes - 1) * 50);
  });
});
