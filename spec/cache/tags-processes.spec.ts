import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { Fleet } from '../support/fleet.js';
import { type Site, sites } from '../support/near-site.js';
import { openStore } from '../support/open.js';
import { random } from '../support/random.js';
import { resurrections, type Witness } from '../support/tags-examine.js';
import { type Event, keyCount, now, type Report, type Task } from '../support/tags-process.js';
import { amount } from '../support/whole.js';

/** How many calls each process makes: `TAGS_ACTS=100000 TAGS_SEED=7 npm test -- --grep 'tags in several'` for a longer run, or for one again. */
const acts = Number(process.env['TAGS_ACTS'] ?? amount({ some: 400, all: 700 }));
const seed = Number(process.env['TAGS_SEED'] ?? Date.now() % 1_000_000);
/** What a near cache is told of others' invalidations comes within this time, in milliseconds, on a busy machine. */
const late = 500;

/** One process each. */
const members: readonly StoreOptions[] = [
  {},
  { near: {} },
  { near: { freeze: true } },
  { batch: false, near: { max: 8 } },
  { batch: false },
];

for (const [title, start] of Object.entries(sites)) {
  describe(`tags in several processes that write and invalidate at random: ${title}`, function () {
    this.timeout(40_000 + acts);
    let site: Site;
    let fleet: Fleet;
    before(async () => {
      site = await start();
      fleet = new Fleet('spec/support/tags-process.ts');
      await fleet.start(members.length);
    });
    after(async () => {
      await fleet.stop();
      await site.stop();
    });

    for (const lazyClear of [false, true]) {
      it(`never bring back what was invalidated${lazyClear ? ', or cleared lazily' : ''}: seed ${seed}`, async () => {
        const prefix = `lazy ${lazyClear}`;
        const reports = Promise.all(fleet.members.map(async (member) => (await once(member, 'message'))[0] as Report));
        for (const [number, member] of fleet.members.entries()) {
          const options = { ...site.direct, prefix, lazyClear, timeout: 10_000, ...members[number] };
          member.send({ number, seed: seed + number, acts, options } satisfies Task);
        }
        const [told, evicted] = await Promise.all([reports, evict(site, prefix, lazyClear, reports)]);
        expect(told.flatMap(({ errors }) => errors)).to.deep.equal([]);

        // What is there at rest is there for everybody, and long after the last invalidation.
        await sleep(10);
        const plain = openStore({ ...site.direct, prefix, lazyClear });
        const atRest: Event[] = [];
        for (let key = 0; key < keyCount; key++) {
          const from = now();
          atRest.push({ kind: 'read', how: 'at rest', key, value: await plain.get<string>(`k${key}`), from, to: now() });
        }
        const witnesses: Witness[] = told.map(({ events }, number) => ({ events, late: members[number]?.near ? late : 0 }));
        witnesses.push({ events: evicted, late: 0 }, { events: atRest, late: 0 });
        const { problems, hits, dead } = resurrections(witnesses, lazyClear ? [''] : []);
        console.log(`      ${hits} hits; ${dead} values invalidated`);
        expect(problems.slice(0, 10)).to.deep.equal([]);
        expect(hits).to.be.above(50);
        expect(dead).to.be.above(100);
      });
    }
  });
}

/** Deletes the keys of tags now and then until the others have ended, as an eviction would, which is to invalidate them. */
async function evict({ servers }: Site, prefix: string, lazyClear: boolean, others: Promise<unknown>): Promise<Event[]> {
  const next = random(seed);
  const events: Event[] = [];
  let over = false;
  void others.then(() => {
    over = true;
  });
  while (!over) {
    await sleep(20 + next() * 60);
    const tag = (lazyClear ? ['', 't0', 't1', 't2'] : ['t0', 't1', 't2'])[Math.floor(next() * 3)] as string;
    const from = now();
    // The nodes that do not serve it refuse.
    await Promise.allSettled(servers.map(({ redis }) => redis.unlink(`${prefix}#t:${tag}`)));
    events.push({ kind: 'invalidate', tags: [tag], from, to: now() });
  }
  return events;
}
