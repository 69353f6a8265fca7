// The faults, one after the other as data: what is done, and how it is undone. `world` is what `worlds` makes.
import { setTimeout as pause } from 'node:timers/promises';

/**
 * - `topology`: what it is done to; a key of `worlds`.
 * - `begin(world, candidate)`: does it. May give back a function that stops what goes on meanwhile.
 * - `end(world)`: undoes it; resolves when Redis can be used again, which is where the time to recover begins.
 * - `absent`: Redis is not there when the contender starts.
 * - `proxied`: the contender's connection goes through the network.
 * - `promotes`: another server takes over meanwhile. The time to recover begins there, and the fault lasts until after that.
 */
const ofServer = [
  {
    name: 'freeze',
    title: 'frozen',
    about: 'SIGSTOP: connections stay open and nothing answers; then SIGCONT',
    topology: 'server',
    begin: ({ server }) => server.freeze(),
    end: ({ server }) => server.thaw(),
  },
  {
    name: 'kill',
    title: 'killed, then back empty',
    about: 'SIGKILL: connections are reset, new ones refused; then a new server without data on the same port',
    topology: 'server',
    begin: ({ server }) => server.kill(),
    end: ({ server }) => server.start(),
  },
  {
    name: 'absent',
    title: 'not there at start',
    about: 'the application starts before Redis does; then Redis is started',
    topology: 'server',
    absent: true,
    begin: () => {},
    end: ({ server }) => server.start(),
  },
  {
    name: 'cut',
    title: 'connections cut',
    about: '`CLIENT KILL` of all connections every 250 ms, Redis itself well; then left alone',
    topology: 'server',
    begin: ({ server }) => {
      const cut = () => server.command(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']).catch(() => {});
      const timer = setInterval(cut, 250);
      cut();
      return () => clearInterval(timer);
    },
    // Until the last CLIENT KILL that is still under way has been carried out.
    end: () => pause(250),
  },
  {
    name: 'half-open',
    title: 'half-open connection',
    about:
      'bytes are swallowed both ways and no connection ends, as when the other machine is gone; then new connections work, and the old ones stay dead',
    topology: 'server',
    proxied: true,
    begin: ({ network }) => network.swallow(),
    end: ({ network }) => network.letThrough(),
  },
  {
    name: 'slow',
    title: 'slow by 200 ms',
    about: 'every answer comes 200 ms late; then at once again',
    topology: 'server',
    proxied: true,
    begin: ({ network }) => {
      network.latency = 200;
    },
    end: ({ network }) => {
      network.latency = 0;
    },
  },
  {
    name: 'ramp',
    title: 'latency that rises and falls',
    about: 'answers come later and later, up to 1.5 s after 1.5 s, and then less late again; then at once',
    topology: 'server',
    proxied: true,
    begin: ({ network }) => {
      const start = performance.now();
      network.latency = () => Math.max(1, 1500 - Math.abs(1500 - (performance.now() - start)));
    },
    end: ({ network }) => {
      network.latency = 0;
    },
  },
  {
    name: 'narrow',
    title: 'narrow network',
    about: '100 kB a second each way, a quarter of what the load writes; then as much as there is',
    topology: 'server',
    proxied: true,
    begin: ({ network }) => {
      network.bandwidth = 100_000;
    },
    end: ({ network }) => {
      network.bandwidth = Number.POSITIVE_INFINITY;
    },
  },
  {
    name: 'closing',
    title: 'accepts and closes',
    about: 'connections are cut, and new ones accepted and closed at once, as by a proxy without a server; then accepted',
    topology: 'server',
    proxied: true,
    begin: ({ network }) => {
      network.closing = true;
      network.cut();
    },
    end: ({ network }) => {
      network.closing = false;
    },
  },
  {
    name: 'blocked',
    title: 'the application is busy',
    about: 'Redis is well, and the application computes for 1.2 s at a time, with 200 ms in between; then no more',
    topology: 'server',
    begin: (_, candidate) => {
      candidate.ask('block', { milliseconds: 1200, apart: 200, until: 3000 }).catch(() => {});
    },
    end: () => {},
  },
  {
    name: 'full',
    title: 'out of memory',
    about: '`maxmemory 1mb`, `noeviction`: reads work, every write is refused with OOM; then `maxmemory 0`',
    topology: 'server',
    begin: async ({ server }) => {
      await server.command(['CONFIG', 'SET', 'maxmemory', '1mb', 'maxmemory-policy', 'noeviction']);
    },
    end: ({ server }) => server.command(['CONFIG', 'SET', 'maxmemory', '0']),
  },
  {
    name: 'readonly',
    title: 'became a replica',
    about: '`REPLICAOF` a primary that is not there: reads work, every write is refused with READONLY; then `REPLICAOF NO ONE`',
    topology: 'server',
    begin: async ({ server }) => {
      await server.command(['REPLICAOF', '127.0.0.1', '1']);
    },
    end: ({ server }) => server.command(['REPLICAOF', 'NO', 'ONE']),
  },
  {
    name: 'loading',
    title: 'loading its data',
    about: 'restarted with its data, which takes it long to load: every command is refused with LOADING; then loaded',
    topology: 'server',
    begin: async ({ server }) => {
      await server.command(['CONFIG', 'SET', 'rdbcompression', 'no']);
      await server.command(['SAVE']);
      await server.kill();
      // 50 ms for each key of about 1 KiB, and an ear for clients after each.
      const slowly = ['--key-load-delay', '50000', '--loading-process-events-interval-bytes', '1024'];
      await server.start(slowly, /^LOADING/);
    },
    end: async ({ server }) => {
      await server.command(['CONFIG', 'SET', 'key-load-delay', '0']);
      while ((await server.command(['PING']).catch(() => '')) !== 'PONG') await pause(10);
    },
  },
];

/** The same for every topology in which another server takes over. */
const ofGroup = [
  {
    name: 'kill',
    title: 'a primary killed',
    about: 'SIGKILL of a primary, which stays dead: its connections are reset, new ones refused; a replica takes over',
    begin: ({ group }) => group.primary.kill(),
    end: () => {},
  },
  {
    name: 'freeze',
    title: 'a primary frozen',
    about: 'SIGSTOP of a primary: connections stay open and nothing answers; a replica takes over; in the end SIGCONT for the old one',
    begin: ({ group }) => group.primary.freeze(),
    end: async ({ group }) => {
      group.primary.thaw();
      await demoted(group);
    },
  },
  {
    name: 'failover',
    title: 'failover on command',
    about: 'every server is well, and a replica takes over because it was told to, as for maintenance',
    begin: async ({ group }) => {
      await group.failover();
    },
    end: ({ group }) => demoted(group),
  },
];

export const faults = [
  ...ofServer,
  ...['cluster', 'sentinel'].flatMap((topology) => ofGroup.map((fault) => ({ ...fault, topology, promotes: true }))),
];

/**
 * Resolves when the old primary follows the new one. Sentinels let it be for about eight seconds, and what it takes from those who
 * are still connected to it is lost then: before, nobody could see that.
 */
async function demoted({ primary }) {
  // Each time over a connection of its own: sentinels cut them all.
  while ((await primary.command(['ROLE']).catch(() => ['unknown']))[0] !== 'slave') await pause(50);
}
