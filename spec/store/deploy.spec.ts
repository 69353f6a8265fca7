import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { compiled } from '../support/compiled.js';
import type { Deployed, Report, Work } from '../support/deploying-process.js';
import { RedisServer } from '../support/redis.js';
import { amount } from '../support/whole.js';

const together = amount({ some: 3000, all: 30_000 });

describe(`a deploy that changes a type, with both versions side by side for ${together / 1000} s`, function () {
  this.timeout(90_000);

  let server: RedisServer;
  const members: ChildProcess[] = [];
  before(async () => {
    server = await RedisServer.start();
  });
  after(async () => {
    for (const member of members) member.kill('SIGKILL');
    await server.stop();
  });

  async function start(version: Deployed['version']): Promise<(work: Work) => Promise<Report>> {
    const deployed: Deployed = { version, options: { location: server.location } };
    const member = fork(compiled('spec/support/deploying-process.ts'), [JSON.stringify(deployed)], { execArgv: [] });
    members.push(member);
    await once(member, 'message');
    return async (work) => {
      const answer = once(member, 'message');
      member.send(work);
      return (await answer)[0] as Report;
    };
  }

  it('gives neither a value that its schema refuses, and hits again once one version is alone', async () => {
    const [old, updated] = [await start(1), await start(2)];
    const [before] = [await old({ milliseconds: 500 })];
    const reports = await Promise.all([old({ milliseconds: together }), updated({ milliseconds: together })]);
    for (const { wrong, reads } of [before, ...reports]) {
      expect(wrong).to.deep.equal([]);
      expect(reads).to.be.above(100);
    }
    // Entries of the old version are replaced as they are read.
    await updated({ milliseconds: 300 });
    const { hits, reads, wrong } = await updated({ milliseconds: 500 });
    expect(wrong).to.deep.equal([]);
    expect(hits / reads).to.be.above(0.8);
  });
});
