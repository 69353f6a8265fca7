// The figures as JSON, as Markdown tables and as SVG charts: no figure in a chart that is not in the tables.
import { charts } from './charts.mjs';

/** Bytes for the files, from the results of one run. */
export function report({ about, limit, results }) {
  const groups = new Map();
  for (const result of results) {
    const name = `${result.transport}|${result.work}|${result.bytes}|${result.inFlight}`;
    groups.set(name, [...(groups.get(name) ?? []), result]);
  }
  const tables = [...groups.values()].map((group) => table(group, limit));
  const head = `# Benchmark

One run: ${about.server}, Node ${about.node}, node-redis ${about.nodeRedis}, ${about.cores} cores (${about.cpu}). Each contender runs in a process of its own, in
turn, in ${about.rounds} interleaved rounds of ${about.milliseconds} ms for each figure. Figures are medians, with the slowest and the fastest round in brackets.
CPU is the user and system time of the contender's process. Ratios are those of medians within this run: compare ratios, not the figures of
two machines. \`npm run bench\` writes this page; the data is in [benchmark.json](../bench/results/benchmark.json).
`;
  return {
    json: `${JSON.stringify({ about, results }, null, 1)}\n`,
    markdown: `${head}\n${tables.join('\n')}`,
    charts: charts(results),
  };
}

function table(group, limit) {
  const { transport, work, bytes, inFlight } = group[0];
  const base = group.find(({ title }) => title === limit);
  const many = work === 'mget' || work === 'mset' ? ' of 100 keys' : '';
  const rows = group.map((result) => {
    const ratio = base ? (result.ops.median / base.ops.median).toFixed(2) : '';
    const cpuRatio = base ? (result.cpu.median / base.cpu.median).toFixed(2) : '';
    return `| ${result.title} | ${round(result.ops.median)} (${round(result.ops.min)}–${round(result.ops.max)}) | ${ratio} | ${result.cpu.median.toFixed(2)} (${result.cpu.min.toFixed(2)}–${result.cpu.max.toFixed(2)}) | ${cpuRatio} | ${result.p50.median.toFixed(0)} | ${result.p99.median.toFixed(0)} |`;
  });
  return [
    `## ${work}${many}, ${bytes} B, ${inFlight} in flight, ${transport}\n`,
    '| | ops/s | × limit | CPU µs/op | × limit | p50 µs | p99 µs |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function round(figure) {
  return Math.round(figure).toLocaleString('en-US');
}
