// The charts of docs/scale.md, by part. No figure in them that is not in the tables, but those of the model between its rows.
import { chart } from './chart.mjs';
import { costs, fleet, shardsOf, use } from './fleet-model.mjs';

const about = 'Points: medians. Lines through them: from the least to the most of all rounds.';
const exact = (figure) => ({ median: figure, least: figure, most: figure });
const scaled = ({ median, least, most }, by) => ({ median: median * by, least: least * by, most: most * by });

/** A line over all figures of a part that have it. */
function lineOf(figures, x, name, of) {
  const points = figures.filter((each) => of(each) !== undefined).map((each) => ({ x: each[x], y: of(each) }));
  return { name, points };
}

export const drawings = {
  keys({ figures }) {
    const over = (name, of) => lineOf(figures, 'size', name, of);
    const both = (work, side, names) => names.map((name) => over(`${work}, ${name}`, (each) => each[`${work}, ${name}`][side]));
    const x = 'keys in Redis';
    return chart('What a call costs as Redis fills', about, [
      {
        title: 'CPU of the process',
        unit: 'µs per call',
        x,
        lines: ['get', 'set'].flatMap((work) => both(work, 'client', ['store', 'bare'])),
      },
      { title: 'CPU of Redis', unit: 'µs per call', x, lines: ['get', 'set'].flatMap((work) => both(work, 'server', ['store', 'bare'])) },
    ]);
  },
  scans({ figures }) {
    const over = (name, of) => lineOf(figures, 'size', name, of);
    const time = (work, name) => over(name, (each) => each[work].perKey);
    const x = 'keys in Redis';
    return chart('Operations on all keys', about, [
      {
        title: 'Time, scans',
        unit: 'µs per key',
        x,
        lines: [time('scan', 'bare SCAN'), time('keys', 'keys()'), time('delPattern', 'delPattern() of a tenth'), time('clear', 'clear()')],
      },
      { title: 'Time, reencode', unit: 'µs per entry rewritten', x, lines: [time('reencode', 'reencode()')] },
    ]);
  },
  near({ figures }) {
    const readers = figures.filter(({ processes }) => processes > 0);
    const over = (list, name, of) => [lineOf(list, 'processes', name, of)];
    const x = 'processes that read';
    const panels = [
      {
        title: 'CPU of Redis',
        unit: 'µs per write',
        x,
        lines: [...over(figures, 'one write at a time', (each) => each.cpuAlone), ...over(figures, '512 at a time', (each) => each.cpu)],
      },
      {
        title: 'Pushes, as fast as it goes',
        unit: 'per second, all processes',
        x,
        lines: over(readers, 'pushes received', (each) => each.perSecond),
      },
      { title: 'Tracking table', unit: 'MB', x, lines: over(readers, 'memory of Redis', (each) => scaled(each.memory, 1e-6)) },
      {
        title: 'How long an answer can be stale',
        unit: 'ms from the answer to the write until the push',
        x,
        lines: [...over(readers, 'the latest', (each) => each.latest), ...over(readers, 'p99', (each) => each.p99)],
      },
    ];
    return chart(
      'Near: one process writes what others hold',
      about,
      panels.map((each) => ({ ...each, isEven: true })),
    );
  },
  tags({ figures }) {
    const over = (name, side) => lineOf(figures, 'size', name, (each) => each[name][side]);
    const names = ['set, a tag', 'set, no tag', 'get, a tag', 'get, no tag'];
    const x = 'tags in use';
    return chart('What a tag costs', about, [
      { title: 'CPU of the process', unit: 'µs per call', x, lines: names.map((name) => over(name, 'client')) },
      { title: 'CPU of Redis', unit: 'µs per call', x, lines: names.map((name) => over(name, 'server')) },
    ]);
  },
  connections({ figures }) {
    const over = (name, side) => lineOf(figures, 'size', name, (each) => each[name][side]);
    const x = 'connections, 512 calls in flight over all';
    return chart('The same load over more connections', about, [
      {
        title: 'CPU of Redis',
        unit: 'µs per call',
        x,
        lines: ['get, store', 'set, store', 'get, bare', 'set, bare'].map((name) => over(name, 'server')),
      },
      {
        title: 'CPU of the process',
        unit: 'µs per call',
        x,
        lines: ['get, store', 'set, store', 'get, bare'].map((name) => over(name, 'client')),
      },
    ]);
  },
};

/** The chart of the fleet on paper. */
export function modelDrawing(parts) {
  const cost = costs(parts);
  const shards = shardsOf(cost, fleet);
  const shares = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];
  const sizes = [100, 1000, 10_000, 100_000, 1_000_000];
  const cores = (of, name, setting) => ({
    name,
    points: shares.map((writeShare) => ({ x: writeShare * 100, y: exact(use(cost, { ...of, writeShare }, { ...setting, shards }).cores) })),
  });
  const hits = (of, name, table) => ({
    name,
    points: sizes.map((max) => ({ x: max, y: exact(use(cost, of, { max, table, shards }).hits * 100) })),
  });
  const panels = [false, true].flatMap((isEven) => {
    const of = { ...fleet, isEven };
    const words = isEven ? 'writes evenly over all keys' : 'writes as reads';
    return [
      {
        title: `CPU of all primaries, ${words}`,
        unit: 'cores',
        x: 'writes per 100 gets',
        lines: [
          cores(of, 'without near', { max: 0 }),
          cores(of, 'near.max 10 000, table 1 million', { max: 10_000, table: 1_000_000 }),
          cores(of, 'near.max 100 000, table 10 million', { max: 100_000, table: 10_000_000 }),
          cores(of, 'near only for the 10 000 most popular keys', { max: 10_000, table: 1_000_000, only: 10_000 }),
        ],
      },
      {
        title: `Hits of near, ${words}`,
        unit: 'per cent, with 1 write per 100 gets',
        x: 'near.max',
        lines: [
          hits(of, 'table 1 million', 1_000_000),
          hits(of, 'table 10 million', 10_000_000),
          hits(of, 'no bound', Number.POSITIVE_INFINITY),
        ],
      },
    ];
  });
  return chart(
    'A fleet on paper: where near pays',
    `1 000 processes, 100 million keys, 1 million gets a second, ${shards} primaries.`,
    panels,
  );
}
