import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import { sentBy } from '../support/callers.js';
import { Fleet } from '../support/fleet.js';
import type { Move, Question } from '../support/loading-member.js';
import { openStore } from '../support/open.js';
import { onEachPlace } from '../support/places.js';
import { amount } from '../support/whole.js';

const processes = amount({ some: 10, all: 20 });

describe(`getOrSet in ${processes} processes that ask for one cold key 50 times each`, function () {
  this.timeout(90_000);

  const fleet = new Fleet('spec/support/loading-member.ts');
  after(() => fleet.stop());

  onEachPlace((place) => {
    before(async () => {
      await fleet.start(processes);
      // On a busy machine so many processes that load fifty times each are no failure of Redis.
      await fleet.tell({ options: { ...place().options, timeout: 5000 } } satisfies Move);
      // Every server has the scripts; each is sent in full only to a server that does not.
      const store = openStore(place().options);
      for (let i = 0; i < 20; i++) await store.getOrSet(`warm${i}`, () => 'made');
    });

    /** Asks every live process for the key: which ones called the function, and what each survivor got. */
    async function ask(question: Question, onCalled: (by: number, calls: number) => void = () => {}) {
      const living = fleet.living;
      const calls: number[] = [];
      const answer = async (member: ChildProcess): Promise<number[] | undefined> => {
        let told = (_message: { called?: number; answers?: number[] }): void => {};
        let gone = (): void => {};
        try {
          return await new Promise((resolve) => {
            told = ({ called, answers }) => {
              if (called !== undefined) onCalled(called, calls.push(called));
              if (answers) resolve(answers);
            };
            gone = () => resolve(undefined);
            member.on('message', told).on('exit', gone).send(question);
          });
        } finally {
          member.off('message', told).off('exit', gone);
        }
      };
      const answers = await Promise.all(living.map(answer));
      return { calls, asked: living.length, answers: answers.filter((each) => each !== undefined) };
    }

    for (const { title, near, takes } of [
      { title: 'of a store without a near cache, where the function takes 150 ms', near: false, takes: 150 },
      { title: 'of a store with a near cache, where the function takes 3 s', near: true, takes: 3000 },
    ]) {
      it(`calls the function once, and each process that waits asks Redis fewer than five times: ${title}`, async () => {
        let asking!: Awaited<ReturnType<typeof ask>>;
        const sent = await sentBy(place(), async () => {
          asking = await ask({ key: `cold-${near}`, takes, lease: 10_000, near });
        });
        const { calls, answers, asked } = asking;
        expect(calls).to.have.lengthOf(1);
        expect(new Set(answers.flat())).to.deep.equal(new Set(calls));
        expect(answers.flat()).to.have.lengthOf(asked * 50);
        const waiting = [...sent].filter(([by]) => by !== String(calls[0]));
        expect(waiting).to.have.lengthOf(asked - 1);
        for (const [by, commands] of waiting) expect(commands.length, `${by}: ${commands.join()}`).to.be.below(5);
        // The one that made the value is among these.
        const all = [...sent.values()].flat();
        expect(all.length, all.join()).to.be.below(5 * (asked - 1));
      });
    }

    for (const near of [false, true]) {
      it(`calls it exactly once more where the process that called it is killed, ${near ? 'with' : 'without'} a near cache`, async () => {
        const { calls, answers, asked } = await ask({ key: `killed-${near}`, takes: 300, lease: 1000, near }, (by, count) => {
          if (count === 1) process.kill(by, 'SIGKILL');
        });
        expect(calls).to.have.lengthOf(2);
        expect(new Set(answers.flat())).to.deep.equal(new Set([calls[1]]));
        expect(answers.flat()).to.have.lengthOf((asked - 1) * 50);
      });
    }
  });
});
