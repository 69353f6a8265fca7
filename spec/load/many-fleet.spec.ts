import { once } from 'node:events';
import { expect } from 'chai';
import { Fleet } from '../support/fleet.js';
import type { Answers, Questions } from '../support/many-member.js';
import { monitor } from '../support/monitor.js';
import { RedisServer } from '../support/redis.js';
import { amount } from '../support/whole.js';

const processes = amount({ some: 4, all: 20 });
const questions: Questions = { keys: amount({ some: 300, all: 1000 }), each: 100, times: 10, failing: 7 };

describe(`getOrSetMany in ${processes} processes that each ask ten times for 100 of ${questions.keys} cold keys`, function () {
  this.timeout(120_000);

  const fleet = new Fleet('spec/support/many-member.ts');
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start();
  });
  after(async () => {
    await fleet.stop();
    await server.stop();
  });

  it('makes each key once in the fleet, fails the one that fails, and asks with one MGET', async () => {
    await fleet.start(processes, JSON.stringify({ location: server.location }));
    const sent = { GET: 0, MGET: 0 };
    let rest = '';
    const watching = await monitor(server.port, (text) => {
      const lines = `${rest}${text}`.split('\r\n');
      rest = lines.pop() as string;
      // Scripts read leases, and the entries under them.
      for (const line of lines) {
        const name = /\[\d+ (?!lua)[^\]]*\] "(M?GET)"/.exec(line)?.[1];
        if (name !== undefined) sent[name as 'GET' | 'MGET']++;
      }
    });
    const answers = await Promise.all(
      fleet.members.map(async (member) => {
        const answer = once(member, 'message');
        member.send(questions);
        return (await answer)[0] as Answers;
      }),
    );
    expect(answers.flatMap(({ wrong }) => wrong)).to.deep.equal([]);
    const made = answers.flatMap((answer) => answer.made).filter((key) => key !== questions.failing);
    expect(made.length).to.equal(new Set(made).size);
    for (const { asked, failed } of answers) expect(failed).to.equal(asked);
    watching.destroy();
    // One MGET for each question, and one for each look of a process that waits for another; hardly a key is read alone.
    expect(sent.MGET).to.be.at.least(processes * questions.times);
    expect(sent.GET).to.be.below(questions.keys / 10);
  });
});
