// A fleet on paper: what it needs of each resource, from the figures of the parts. Nothing here is measured.
import { line } from './figures.mjs';
import { nearModel } from './near-model.mjs';
import { popularity } from './zipf.mjs';

/** The fleet that the page asks about. `isEven`: every key is written as often as any other; else writes are distributed as reads are. */
export const fleet = { processes: 1000, keys: 100_000_000, gets: 1_000_000, writeShare: 0.01, exponent: 0.99, ttl: 3600, isEven: false };

/** What one primary is given, of which it can use so much for long. */
export const limits = { memory: 24e9, cpu: 0.7, network: 0.625e9, connections: 10_000, table: 1_000_000 };

/** On the network, by the protocol: a push with a key of 20 characters, and what answers a set. */
const [bytesOfPush, bytesOfReply] = [60, 5];

/** Costs of single things, from the figures: microseconds and bytes. */
export function costs({ keys, near, hot, connections }) {
  const alone = connections.figures.at(-1);
  const most = near.figures.at(-1);
  const cpu = line(near.figures.map((each) => [each.processes, each.cpuAlone.median]));
  const readers = near.figures.filter(({ processes }) => processes > 0);
  const memory = line(readers.map((each) => [each.processes, each.memory.median / near.keys]));
  const bare = hot.figures.find(({ name }) => name === 'bare');
  return {
    get: alone['get, bare'].server.median,
    set: alone['set, bare'].server.median,
    miss: alone['get and pttl, bare'].server.median + Math.max(0, most.tracking.median),
    push: cpu.slope,
    clientGet: alone['get, store'].client.median,
    clientPush: most.clientAlone.median,
    key: keys.figures.at(-1).perKey,
    trackedKey: Math.max(0, memory.intercept),
    trackedItem: memory.slope,
    connection: alone.perConnection,
    getBytes: bare.bytesOut.median / bare.rate.median,
  };
}

/** Reads of a key by a process between two changes of it, above which near saves CPU of the server. */
export function breakEven({ get, miss, push }) {
  return (miss + push) / get - 1;
}

const groupsOf = new Map();
function groups({ keys, exponent, isEven }) {
  const name = `${keys} ${exponent} ${isEven}`;
  const written = (group) => (isEven ? 1 / keys : group.share);
  if (!groupsOf.has(name))
    groupsOf.set(
      name,
      popularity(keys, exponent).map((group) => ({ ...group, written: written(group) })),
    );
  return groupsOf.get(name);
}

/** The most popular keys, so many. */
function hottest(all, keys) {
  let left = keys;
  return all.flatMap((group) => {
    const taken = Math.min(left, group.keys);
    left -= taken;
    return taken > 0 ? [{ ...group, keys: taken }] : [];
  });
}

/**
 * What a fleet uses of each resource on so many primaries, and how many of them each resource needs by itself.
 *
 * @param setting `max`: `near.max`, 0 without near. `table`: `tracking-table-max-keys` of a primary. `only`: near has so many of the most
 *   popular keys, and the others are read by a store without it
 */
export function use(cost, of, { max = 0, table = limits.table, shards, only = of.keys }) {
  const { processes, keys, gets, writeShare, ttl } = of;
  const writes = gets * writeShare;
  const through = hottest(groups(of), only);
  const near = nearModel({ groups: through, processes, gets, writes, expiries: 1 / ttl, max, tableMax: table * shards });
  const asked = max > 0 ? gets * through.reduce((sum, group) => sum + group.keys * group.share, 0) : 0;
  const nearMisses = Math.max(0, asked - gets * near.hits);
  const misses = nearMisses + gets - asked;
  // Each process asks each primary twice a second whether it tracks, and how the cluster is.
  const pulses = max > 0 ? processes * shards * 2 : 0;
  const work = (nearMisses * cost.miss + (gets - asked + pulses) * cost.get + writes * cost.set + near.pushes * cost.push) / 1e6;
  const tracking = near.trackedKeys * cost.trackedKey + near.trackedItems * cost.trackedItem;
  const memory = keys * cost.key + tracking + processes * shards * cost.connection;
  const network = misses * cost.getBytes + near.pushes * bytesOfPush + writes * bytesOfReply;
  const needs = {
    CPU: work / limits.cpu,
    memory: memory / limits.memory,
    network: network / limits.network,
    connections: (processes / limits.connections) * shards,
  };
  const client = ((misses * cost.clientGet + near.pushes * cost.clientPush) / processes / 1e6) * 100;
  return { ...near, misses, cores: work, tracking, memory, network, needs, client };
}

/** How many primaries the resources need without near, each by itself; connections are the same however many there are. */
export function shardsOf(cost, of) {
  const { CPU, memory, network } = use(cost, of, { shards: 1 }).needs;
  return Math.max(3, Math.ceil(Math.max(CPU, memory, network)));
}

/** The share of writes from which near costs the servers more CPU than it saves; `undefined` if there is none below 100 %. */
export function paysUpTo(cost, of, setting) {
  const least = 1e-6;
  const saved = (writeShare) =>
    use(cost, { ...of, writeShare }, { shards: setting.shards }).cores - use(cost, { ...of, writeShare }, setting).cores;
  if (saved(least) <= 0) return 0;
  if (saved(1) > 0) return undefined;
  let [low, high] = [Math.log(least), 0];
  for (let i = 0; i < 20; i++) {
    const middle = (low + high) / 2;
    if (saved(Math.exp(middle)) > 0) low = middle;
    else high = middle;
  }
  return Math.exp(low);
}
