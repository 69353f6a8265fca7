// The tables of docs/performance.md that sum up bench/results/benchmark.json: ratios within the run, with their range over all rounds.

/** The published stores, those that they replace, and what both are measured by. */
const ours = 'redis-tier, cache-manager 5';
const auto = "redis-tier, cache-manager 5, parser 'auto'";
const peers = { yet: 'cache-manager 5 + redis-yet', keyv: 'Keyv 5 + @keyv/redis' };
const client = 'node-redis + JSON, timeout off';
const limits = { plain: 'limit: bare socket + JSON', gathering: 'limit: bare socket that gathers gets + JSON' };

/** What the first table shows: title, our store, work, calls in flight. */
const rows = [
  ['get', ours, 'get', 512],
  ['miss', ours, 'miss', 512],
  ['set with a ttl', ours, 'set', 512],
  ['wrap, a hit', ours, 'wrap', 512],
  ['mget of 100, 32 in flight', ours, 'mget', 32],
  ['mset of 100 with a ttl, 32 in flight', ours, 'mset', 32],
  ["get, `parser: 'auto'`", auto, 'get', 512],
  ["set with a ttl, `parser: 'auto'`", auto, 'set', 512],
  ["mget of 100, 32 in flight, `parser: 'auto'`", auto, 'mget', 32],
  ["mset of 100 with a ttl, 32 in flight, `parser: 'auto'`", auto, 'mset', 32],
];

/** A ratio of medians, and its range if any round of one is set against any round of the other. */
export function ratio(results, measure, title, other, { work, inFlight, bytes = 200, transport = 'tcp' }) {
  const of = (name) =>
    results.find(
      (each) =>
        each.title === name && each.work === work && each.inFlight === inFlight && each.bytes === bytes && each.transport === transport,
    )?.[measure];
  const [own, theirs] = [of(title), of(other)];
  if (!own || !theirs) return '';
  const figure = (value) => value.toFixed(2);
  return `${figure(own.median / theirs.median)} (${figure(own.min / theirs.max)}–${figure(own.max / theirs.min)})`;
}

/** The tables by the name of their place in docs/performance.md. */
export function summaries(results) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const main = [
    line(['', 'ops/s × redis-yet', 'ops/s × `@keyv/redis`', 'CPU × limit', 'CPU × limit that gathers gets', 'CPU × node-redis']),
    line(Array(6).fill('---')),
    ...rows.map(([words, title, work, inFlight]) => {
      const point = { work, inFlight };
      return line([
        words,
        ratio(results, 'ops', title, peers.yet, point),
        ratio(results, 'ops', title, peers.keyv, point),
        ratio(results, 'cpu', title, limits.plain, point),
        work === 'get' || work === 'miss' ? ratio(results, 'cpu', title, limits.gathering, point) : '',
        ratio(results, 'cpu', title, client, point),
      ]);
    }),
  ];
  const alone = [
    line(['p50 × node-redis', 'get, TCP', 'get, unix socket', 'set, TCP', 'set, unix socket']),
    line(Array(5).fill('---')),
    ...[
      ['over node-redis', ours],
      ["`parser: 'auto'`", auto],
    ].map(([words, title]) =>
      line([
        words,
        ...['get', 'set'].flatMap((work) =>
          ['tcp', 'unix'].map((transport) => ratio(results, 'p50', title, client, { work, inFlight: 1, transport })),
        ),
      ]),
    ),
  ];
  const large = [
    line(['ops/s × node-redis, 32 in flight', '1 KiB', '64 KiB', '1 MiB']),
    line(Array(4).fill('---')),
    ...['get', 'set'].map((work) =>
      line([work, ...[1024, 65_536, 1_048_576].map((bytes) => ratio(results, 'ops', ours, client, { work, inFlight: 32, bytes }))]),
    ),
  ];
  return { 'bench:run': main.join('\n'), 'bench:run alone': alone.join('\n'), 'bench:run large': large.join('\n') };
}

/** The page with the tables in their places. */
export function withSummaries(page, results) {
  let text = page;
  for (const [place, table] of Object.entries(summaries(results)))
    text = text.replace(new RegExp(`(<!-- ${place} -->\n)[^]*?(\n<!-- /${place} -->)`), (_, start, end) => `${start}\n${table}\n${end}`);
  return text;
}
