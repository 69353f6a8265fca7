// The fleet on paper as tables, computed from the figures of the parts.
import { bytes, count, percent, short, table } from './figures.mjs';
import { breakEven, costs, fleet, limits, paysUpTo, shardsOf, use } from './fleet-model.mjs';

/** Parts without which there is no model. */
export const needed = ['keys', 'near', 'hot', 'connections'];

const settings = [
  { max: 0, table: 1_000_000 },
  { max: 10_000, table: 1_000_000 },
  { max: 100_000, table: 10_000_000 },
  { max: 10_000, table: 1_000_000, only: 10_000 },
];
const distributions = { 'as reads are': { isEven: false }, 'evenly over all keys': { isEven: true } };
/** What `near.maxBytes` counts for an entry with a value of 200 bytes. */
const heldBytes = 350;
const writeShares = [0.001, 0.01, 0.1];
const resources = ['CPU', 'memory', 'network'];

export function modelTables(parts) {
  const cost = costs(parts);
  const shards = shardsOf(cost, fleet);
  return { inputs: inputs(cost), shards: shardTable(cost), near: nearTable(cost, shards), sizes: sizes(cost, shards) };
}

function inputs(cost) {
  const rows = [
    ['a get from Redis', `${short(cost.get)} µs of CPU`, '`connections`, most of them'],
    ['a set', `${short(cost.set)} µs of CPU`, '`connections`'],
    ['a miss of the near cache: GET, PTTL, and to remember the reader', `${short(cost.miss)} µs of CPU`, '`connections`, `near`'],
    ['a push by itself', `${short(cost.push)} µs of CPU`, '`near`, the slope over processes'],
    ['a push, at its receiver', `${short(cost.clientPush)} µs of CPU`, '`near`, most processes'],
    ['a key with a value of 200 bytes', bytes(cost.key), '`keys`, most keys'],
    ['a tracked key', bytes(cost.trackedKey), '`near`, the intercept over processes'],
    ['a tracked key, for each process that has read it', bytes(cost.trackedItem), '`near`, the slope over processes'],
    ['a connection', bytes(cost.connection), '`connections`, most of them'],
    ['the answer of a get', bytes(cost.getBytes), '`hot`, bare client'],
  ];
  return table(['what', 'costs', 'from the part'], rows);
}

function shardTable(cost) {
  const rows = writeShares.map((writeShare) => {
    const used = use(cost, { ...fleet, writeShare }, { shards: 1 });
    const first = resources.toSorted((a, b) => used.needs[b] - used.needs[a])[0];
    return [
      percent(writeShare),
      short(used.cores),
      bytes(used.memory),
      `${bytes(used.network)}/s`,
      ...resources.map((each) => short(used.needs[each])),
      first,
    ];
  });
  const head = ['writes per get', 'cores of Redis', 'memory', 'network', ...resources.map((each) => `primaries, by ${each}`), 'ends first'];
  return table(head, rows);
}

function nearTable(cost, shards) {
  const head = [
    'writes per get',
    '`near.max`',
    'table of each primary',
    'hits',
    'gets left for Redis',
    'pushes a second',
    'keys that leave the table, a second',
    'cores of Redis',
    'table, each primary',
    'CPU of a process',
  ];
  const each = Object.entries(distributions).map(([name, distribution]) => {
    const of = { ...fleet, ...distribution };
    const rows = writeShares.flatMap((writeShare) =>
      settings.map((setting) => nearRow(cost, { ...of, writeShare }, { ...setting, shards })),
    );
    const pays = settings.filter(({ max }) => max > 0).map((setting) => `- ${paysWords(cost, of, { ...setting, shards })}`);
    return `Writes ${name}:\n\n${table(head, rows)}\n\nNear saves CPU of Redis:\n\n${pays.join('\n')}`;
  });
  return `On ${shards} primaries, as many as the fleet needs without near.

${each.join('\n\n')}

For a single key near saves CPU of Redis if a process reads it more than **${short(Math.max(0, breakEven(cost)))} times** between two changes: \`(miss + push) / get - 1\`. A read that near does not answer costs Redis **${percent(cost.miss / cost.get - 1)}** more than one without near.`;
}

function nearRow(cost, of, setting) {
  const used = use(cost, of, setting);
  const process = percent(used.client / 100);
  if (setting.max === 0) return [percent(of.writeShare), 'off', '', '', short(used.misses), '', '', short(used.cores), '', process];
  return [
    '',
    nameOf(setting),
    short(setting.table),
    percent(used.hits),
    short(used.misses),
    short(used.pushes),
    short(used.evictions),
    short(used.cores),
    bytes(used.tracking / setting.shards),
    process,
  ];
}

const nameOf = ({ max, only }) => (only ? `${count(max)}, for the ${count(only)} most popular keys` : count(max));

function paysWords(cost, of, setting) {
  const share = paysUpTo(cost, of, setting);
  const until = share === undefined ? 'at any share of writes' : share === 0 ? 'never' : `up to ${percent(share)} writes per get`;
  return `\`near.max\` ${nameOf(setting)}, with a table of ${short(setting.table)}: ${until}`;
}

function sizes(cost, shards) {
  const even = { ...fleet, isEven: true };
  const rows = [1000, 10_000, 100_000, 1_000_000].map((max) => {
    const each = (tableMax) => use(cost, even, { max, table: tableMax, shards });
    const [small, large, endless] = [each(limits.table), each(10 * limits.table), each(Number.POSITIVE_INFINITY)];
    return [count(max), percent(small.hits), percent(large.hits), percent(endless.hits), bytes(max * heldBytes)];
  });
  const endless = use(cost, even, { max: 1, table: Number.POSITIVE_INFINITY, shards });
  return `How large, with ${percent(fleet.writeShare)} writes, evenly over all keys:

${table(['`near.max`', 'hits, table of 1 million', 'table of 10 million', 'no bound', 'a process holds'], rows)}

Without a bound each of the ${shards} primaries would track ${short(endless.trackedKeys / shards)} keys for ${short(endless.trackedItems / shards)} readers: ${bytes(endless.tracking / shards)}.`;
}
