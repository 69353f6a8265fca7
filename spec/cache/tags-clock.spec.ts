import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../../src/index.js';
import { Fleet } from '../support/fleet.js';
import { type Site, sites } from '../support/near-site.js';
import { openStore } from '../support/open.js';
import type { Clocks, Told } from '../support/tagged-process.js';
import { until } from '../support/until.js';

const hour = 3_600_000;

/** A store in another process. */
class Remote {
  readonly #process: ChildProcess;
  #asked = 0;

  constructor(process: ChildProcess) {
    this.#process = process;
  }

  call(call: 'get' | 'mget' | 'set' | 'mset' | 'invalidateTags' | 'has' | 'ttl', ...args: unknown[]): Promise<unknown> {
    return this.#ask({ call, args });
  }

  async clocks(): Promise<Clocks> {
    return (await this.#ask({ clocks: true })) as Clocks;
  }

  /** Its clocks say so much more from now on than they would. */
  move(milliseconds: number): void {
    this.#process.send({ move: milliseconds });
  }

  #ask(what: object): Promise<unknown> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      const onMessage = (told: Told): void => {
        if (told.id !== id) return;
        this.#process.off('message', onMessage);
        if (told.error === undefined) resolve(told.result);
        else reject(new Error(told.error));
      };
      this.#process.on('message', onMessage);
      this.#process.send({ id, ...what });
    });
  }
}

const tiers: Record<string, StoreOptions> = { 'no tier': {}, 'a near cache': { near: {} } };

for (const [where, start] of Object.entries(sites)) {
  describe(`tags where the clocks of one process are an hour off: ${where}`, function () {
    this.timeout(30_000);
    let site: Site;
    const fleets: Fleet[] = [];
    before(async () => {
      site = await start();
    });
    after(async () => {
      for (const fleet of fleets.splice(0)) await fleet.stop();
      await site.stop();
    });

    for (const [tier, options] of Object.entries(tiers)) {
      it(`count as before, for it and for the others, whenever its clocks move: ${tier}`, async () => {
        // Nothing here is about time that is over: a busy machine may take long to start a process.
        const common = { ...site.direct, prefix: tier, onFailure: 'throw', tags: true, timeout: 10_000 } as const;
        const fleet = new Fleet('spec/support/tagged-process.ts');
        fleets.push(fleet);
        await fleet.start(1, JSON.stringify({ ...common, ...options }));
        const moved = new Remote(fleet.members[0] as ChildProcess);
        const other: RedisStore = openStore(common);
        const names = ['ours', 'theirs', 'more'];
        const write = async (value: number): Promise<void> => {
          await other.set('ours', value, { tags: ['t', 'u'], ttl: 10 * hour });
          await moved.call('set', 'theirs', value, { tags: ['t'], ttl: 10 * hour });
          await moved.call('mset', { more: value }, { tags: ['u', 't'] });
        };
        const shown = async (values: unknown[]): Promise<void> => {
          expect(await other.mget(...names), 'the others').to.deep.equal(values.map((value) => value ?? undefined));
          // What others did is on its way to a near cache.
          await until(async () => JSON.stringify(await moved.call('mget', ...names)) === JSON.stringify(values));
        };

        let round = 0;
        let was = 0;
        for (const hours of [1, 0, -1, 1]) {
          await write(++round);
          await shown([round, round, round]);
          const before = await moved.clocks();
          const by = hours * hour;
          moved.move(by);
          const after = await moved.clocks();
          for (const [i, clock] of after.entries()) {
            expect(clock - (before[i] as number) - (by - was), `clock ${i}`).to.be.within(-1, 60_000);
          }
          was = by;
          await shown([round, round, round]);
          expect(await other.ttl('theirs')).to.be.within(9.9 * hour, 10 * hour);
          expect(await moved.call('ttl', 'ours')).to.be.within(9.9 * hour, 10 * hour);

          // The other process invalidates, and writes.
          await other.invalidateTags(['t']);
          await shown([null, null, null]);
          await write(-round);
          await shown([-round, -round, -round]);
          // The moved one does, which both see at once.
          await moved.call('invalidateTags', ['u']);
          expect(await moved.call('mget', ...names)).to.deep.equal([null, -round, null]);
          expect(await other.mget(...names)).to.deep.equal([undefined, -round, undefined]);
          await write(-round);
          // In the middle of what the others do.
          await Promise.all([other.invalidateTags(['t']), moved.move(0), moved.move(by)]);
          await shown([null, null, null]);
          for (const name of names) expect(await moved.call('has', name)).to.equal(false);
        }
      });
    }
  });
}
