import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Report, Step } from '../support/chaos/fleet-member.js';
import { type OneServer, oneServer } from '../support/chaos/one-server.js';
import type { StoreUnderLoad } from '../support/chaos/topology.js';
import type { Order } from '../support/chaos/what-happened.js';
import { Fleet } from '../support/fleet.js';
import { randomFor, seed } from './options.js';

const size = 50;
/** Milliseconds, where handshakes cost the server something: those of all take five seconds. */
const dear = 100;
/** How long a fleet may take to come back: two thirds more than its handshakes, and what any store may take. */
const within = (cost: number): number => (5 / 3) * size * cost + 2000;

interface Fault {
  readonly title: string;
  readonly order: Order;
  /** What a handshake costs the server, in milliseconds. */
  readonly cost: number;
  readonly length: number;
  begin(server: OneServer, fleet: Fleet): unknown;
  end(server: OneServer, fleet: Fleet): unknown;
}

const faults: readonly Fault[] = [
  {
    title: 'all its connections are cut',
    order: 'everywhere',
    cost: dear,
    length: 0,
    begin: ({ proxy }) => proxy.reset(),
    end: () => {},
  },
  {
    title: 'the server stalls',
    order: 'per writer',
    cost: dear,
    length: 2000,
    begin: ({ proxy }) => proxy.become({ kind: 'frozen' }),
    end: ({ proxy }) => proxy.become({ kind: 'open' }),
  },
  {
    title: 'its connections are accepted and closed',
    order: 'everywhere',
    cost: 0,
    length: 1500,
    begin: ({ proxy }) => proxy.become({ kind: 'closing' }),
    end: ({ proxy }) => proxy.become({ kind: 'open' }),
  },
  {
    title: 'all its processes are stopped, and continued at once',
    order: 'everywhere',
    cost: dear,
    length: 2000,
    begin: (_, fleet) => signal(fleet, 'SIGSTOP'),
    end: (_, fleet) => signal(fleet, 'SIGCONT'),
  },
];

const signal = ({ living }: Fleet, name: NodeJS.Signals): void => {
  for (const member of living) member.kill(name);
};

describe(`chaos: a fleet of ${size} processes, seed ${seed}`, () => {
  const fleet = new Fleet('spec/support/chaos/fleet-member.ts');
  let server: OneServer;

  async function askAll(step: (index: number) => Step): Promise<Report[]> {
    return Promise.all(
      fleet.living.map(async (member, i) => {
        const answer = once(member, 'message');
        member.send(step(i));
        return (await answer)[0] as Report;
      }),
    );
  }

  before(async () => {
    server = await oneServer.start(randomFor('fleet'));
    const { location } = server.proxy;
    const stores: StoreUnderLoad[] = [
      { title: 'node-redis', options: { location } },
      { title: 'our own parser', options: { location, parser: 'auto' } },
    ];
    for (const [i, store] of stores.entries()) await fleet.start(((i + 1) * size) / stores.length, JSON.stringify(store));
    const random = randomFor('fleet');
    await askAll(() => ({ kind: 'load', seed: random.fork().seed }));
    await sleep(1000);
  });
  after(async () => {
    await fleet.stop();
    await server?.stop();
  });

  for (const { title, order, cost, length, begin, end } of faults) {
    it(`keeps every promise while ${title}`, async () => {
      await askAll(() => ({ kind: 'fault', name: title, order }));
      const { accepted } = server.proxy;
      server.proxy.handshakes.cost = cost;
      begin(server, fleet);
      await sleep(length);
      end(server, fleet);
      const reports = await askAll(() => ({ kind: 'recover', within: within(cost) }));
      const sum = (of: (report: Report) => number): number => reports.reduce((total, report) => total + of(report), 0);
      const dialled = server.proxy.accepted - accepted;
      const back = Math.max(...reports.map(({ recovered }) => recovered));
      console.log(
        `      ${sum(({ calls }) => calls)} calls so far, ${sum(({ failed }) => failed)} failed; ${dialled} connections, back after ${Math.round(back)} ms`,
      );
      expect(reports.flatMap(({ violations }) => violations)).to.deep.equal([]);
      // A server that is busy with handshakes gets few for nothing. Where they cost nothing, each client backs off nevertheless.
      expect(dialled).to.be.below((cost > 0 ? 2 : 20) * size);
    });
  }

  it('closes', async () => {
    const reports = await askAll(() => ({ kind: 'end' }));
    expect(reports.flatMap(({ violations }) => violations)).to.deep.equal([]);
  });
});
