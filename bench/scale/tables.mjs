// The measured figures as tables, by part: medians, with the slowest and the fastest round in brackets.
import { bytes, count, line, percent, ranged, short, table } from './figures.mjs';

const ratio = (figure) => figure.toFixed(2);
const micros = (milliseconds) => count(milliseconds * 1000);
const mib = (figure) => `${figure.toFixed(1)} MiB`;

/** How far a figure of all sizes is from that of the first, at most. */
function drift(figures, of) {
  const [first] = figures;
  return Math.max(...figures.map((each) => Math.abs(of(each) / of(first) - 1)));
}

export const tables = {
  keys({ rounds, calls, figures }) {
    const rows = figures.map((each) => [
      count(each.size),
      ...['get', 'set'].flatMap((work) => {
        const [own, bare, against] = [each[`${work}, store`], each[`${work}, bare`], each[`${work}, ratio`]];
        return [ranged(own.client), ranged(against.client, ratio), ranged(own.server), ranged(bare.server)];
      }),
      bytes(each.perKey),
    ]);
    const works = ['get', 'set'].flatMap((work) => [`${work}: CPU of the process, µs`, '× bare client', 'CPU of Redis, µs', 'bare client']);
    const far = (work, side) => percent(drift(figures, (each) => each[`${work}, ratio`][side].median));
    const alone = (work) => percent(drift(figures, (each) => each[`${work}, store`].client.median));
    return `${rounds} rounds of ${count(calls)} calls, random keys, 512 in flight.

${table(['keys in Redis', ...works, 'a key in Redis'], rows)}

From the figure for ${count(figures[0].size)} keys, the others differ by at most: CPU of the process ${alone('get')} for a get and ${alone('set')} for a set,
and as a multiple of the bare client ${far('get', 'client')} and ${far('set', 'client')}.`;
  },

  scans({ rounds, figures }) {
    const works = ['scan', 'keys', 'delPattern', 'reencode', 'clear'];
    const rows = figures.map((each) => [count(each.size), ...works.map((work) => ranged(each[work].perKey))]);
    const growths = figures.map((each) => [count(each.size), ...works.slice(1).map((work) => mib(each[work].growth.most))]);
    return `${rounds} rounds. Microseconds for each key, those included that a pattern does not match.

${table(['keys in Redis', 'bare SCAN', '`keys()`', '`delPattern()` of a tenth', '`reencode()`', '`clear()`'], rows)}

The most that the process grew meanwhile:

${table(['keys in Redis', '`keys()`', '`delPattern()`', '`reencode()`', '`clear()`'], growths)}`;
  },

  clear({ keys, rounds, figures }) {
    const seconds = (figure) => (figure / 1000).toFixed(1);
    const rows = figures.map(({ title, milliseconds, cpu, growth, ratio: against }) => [
      title.replace('clear()', '`clear()`'),
      ranged(milliseconds, seconds),
      title.startsWith('@keyv') ? '1' : ranged(against, ratio),
      ranged(cpu, seconds),
      mib(growth.most),
    ]);
    const ours = figures.filter(({ title }) => !title.startsWith('@keyv'));
    const slowest = Math.max(...ours.map((each) => each.ratio.most));
    const all =
      slowest < 1
        ? 'Both of ours were faster in every round.'
        : `In its slowest round one of ours took ${ratio(slowest)} times as long as \`@keyv/redis\`.`;
    return `${rounds} rounds of ${count(keys)} keys each.

${table(['', 'seconds', '× `@keyv/redis` in the same round', 'CPU seconds', 'the process grew by at most'], rows)}

${all}`;
  },

  near({ rounds, keys, figures }) {
    const burst = figures.map((each) => [
      count(each.processes),
      ranged(each.cpuAlone),
      ranged(each.cpu),
      each.processes === 0 ? '' : ranged(each.perSecond, count),
      each.processes === 0 ? '' : ranged(each.clientCpu),
      each.processes === 0 ? '' : ranged(each.memory, bytes),
      count(each.trackedItems.median),
      count(each.lost.most),
    ]);
    const live = figures.filter(({ processes }) => processes > 0);
    const rows = live.map((each) => [
      count(each.processes),
      ranged(each.livePushes, count),
      ranged(each.hits, percent),
      ranged(each.stale, percent),
      ranged(each.p50),
      ranged(each.p99),
      ranged(each.latest),
      ranged(each.liveCpu, percent),
    ]);
    const [alone, many] = ['cpuAlone', 'cpu'].map((name) => line(figures.map((each) => [each.processes, each[name].median])));
    const head = [
      'processes',
      'CPU of Redis per write, one at a time, µs',
      '512 at a time, µs',
      'pushes a second',
      'CPU of a reader per push, µs',
      'tracking table',
      'items',
      'pushes lost',
    ];
    const liveHead = [
      'processes',
      'pushes a second',
      'hits',
      'stale reads',
      'a push arrives after the answer to the write: p50, ms',
      'p99, ms',
      'the latest, ms',
      'CPU of Redis',
    ];
    return `${rounds} rounds. All processes read ${count(keys)} keys; then one writes each of them once, a tenth of them one at a time, the rest 512 at a time:

${table(head, burst)}

By the lines through these points, a push costs Redis ${short(alone.slope)} µs if it leaves alone, and ${short(many.slope)} µs if many leave in one packet.

At a low rate: each process makes 200 reads a second of 20 keys, which one process writes about ${count(live[0].liveWrites.median)} times a second:

${table(liveHead, rows)}`;
  },

  hot({ rounds, processes, asked, figures }) {
    const titles = { bare: 'bare client', store: 'store', near: '`near`', freeze: '`near`, `freeze`' };
    const rows = figures.map((each) => [
      titles[each.name],
      ranged(each.rate, count),
      ranged(each.commands, count),
      ranged(each.server, percent),
      ranged(each.client, percent),
      `${bytes(each.bytesOut.median)}/s`,
      ranged(each.p50, micros),
      ranged(each.p99, micros),
    ]);
    const head = [
      '',
      'gets a second',
      'commands a second',
      'CPU of Redis',
      'CPU of the processes together',
      'sent by Redis',
      'p50, µs',
      'p99, µs',
    ];
    return `${rounds} rounds; ${processes} processes, asked for ${count(asked)} gets a second together. 100 % is one core.

${table(head, rows)}`;
  },

  tags({ rounds, calls, figures }) {
    const rows = figures.map((each) => [
      count(each.size),
      ...['set, no tag', 'set, a tag', 'get, no tag', 'get, a tag'].flatMap((work) => [
        ranged(each[work].client),
        ranged(each[work].server),
      ]),
      ranged(each.invalidate.client),
      each.size < 1000 ? '' : bytes(each.perTag),
    ]);
    const works = ['set', 'set with a tag', 'get', 'get of an entry with a tag'];
    const head = [...works.flatMap((work) => [`${work}: process, µs`, 'Redis, µs']), '`invalidateTags`: process, µs', 'a tag in Redis'];
    return `${rounds} rounds of ${count(calls)} calls, 512 in flight.

${table(['tags in use', ...head], rows)}`;
  },

  connections({ rounds, calls, figures }) {
    const rows = figures.map((each) => [
      count(each.size),
      ranged(each['get, store'].server),
      ranged(each['set, store'].server),
      ranged(each['get, bare'].server),
      ranged(each['set, bare'].server),
      ranged(each['get and pttl, bare'].server),
      ranged(each['get, store'].client),
      bytes(each.perConnection),
      each.size < 100 ? '' : bytes(each.perStore),
      short(each.milliseconds / each.size),
    ]);
    const head = [
      'connections',
      'get',
      'set',
      'get, bare',
      'set, bare',
      'get and PTTL, bare',
      'get: process',
      'a connection in Redis',
      'a store',
      'ms to connect, each',
    ];
    return `${rounds} rounds of ${count(calls)} calls, 512 in flight over all connections. CPU of Redis, and of the process, in µs per call.

${table(head, rows)}`;
  },

  limits({ exponent, figures }) {
    const rows = figures.flatMap((each) =>
      ['real', 'simulated', 'model']
        .filter((name) => each[name])
        .map((name, i) => {
          const found = each[name];
          const setting = [count(each.processes), count(each.keys), count(each.max), count(each.tableMax), percent(each.writeShare)];
          const title = { real: 'measured', simulated: 'simulation', model: 'formulas' }[name];
          return [
            ...(i === 0 ? setting : setting.map(() => '')),
            title,
            percent(found.hits),
            short(found.pushes),
            count(found.trackedKeys),
            count(found.trackedItems),
          ];
        }),
    );
    const head = ['processes', 'keys', '`near.max`', 'table', 'writes per read', '', 'hits', 'pushes per read', 'tracked keys', 'items'];
    return `Keys are read and written by Zipf's law with the exponent ${exponent}.

${table(head, rows)}`;
  },
};
