// The figures as JSON, as Markdown tables and as SVG charts: no figure in a chart that is not in the tables.

/** Bytes for the files, from the results of one run. */
export function report({ about, limit, results }) {
  const groups = new Map();
  for (const result of results) {
    const name = `${result.transport}|${result.work}|${result.bytes}|${result.inFlight}`;
    groups.set(name, [...(groups.get(name) ?? []), result]);
  }
  const tables = [...groups.values()].map((group) => table(group, limit));
  const head = `# Benchmark

One run: ${about.server}, Node ${about.node}, node-redis ${about.nodeRedis}, ${about.cores} cores (${about.cpu}). Every contender in a process of its own, in
turn; ${about.rounds} interleaved rounds of ${about.milliseconds} ms for each figure. Median, with the least and the most of the rounds in brackets.
CPU is that of the contender's process, user and system. Ratios are of medians within this run: compare those, not the figures of
two machines. \`npm run bench\` makes this page.
`;
  return {
    json: `${JSON.stringify({ about, results }, null, 1)}\n`,
    markdown: `${head}\n${tables.join('\n')}`,
    charts: charts(groups, limit),
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

function charts(groups, limit) {
  const made = {};
  for (const work of ['get', 'set']) {
    const group = groups.get(`tcp|${work}|200|512`);
    if (group) made[work] = chart(`${work}, values of 200 bytes, 512 in flight: operations per second`, group, limit);
  }
  return made;
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Horizontal bars with the spread of the rounds, ours first among equals in another shade. */
function chart(title, group, limit) {
  const rows = [...group].sort((a, b) => b.ops.median - a.ops.median);
  const most = Math.max(...rows.map(({ ops }) => ops.max));
  const [left, width, height, top] = [250, 460, 26, 44];
  const x = (figure) => left + (figure / most) * width;
  const bars = rows.map(({ title: name, ops }, i) => {
    const y = top + i * height;
    const colour = name === limit ? '#9aa0a6' : name.startsWith('redis-tier') ? '#c0392b' : '#5b7fa6';
    return [
      `<text x="${left - 8}" y="${y + 15}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${left}" y="${y + 3}" width="${(x(ops.median) - left).toFixed(1)}" height="16" fill="${colour}"/>`,
      `<line x1="${x(ops.min).toFixed(1)}" x2="${x(ops.max).toFixed(1)}" y1="${y + 11}" y2="${y + 11}" stroke="#202124"/>`,
      `<text x="${(x(ops.max) + 6).toFixed(1)}" y="${y + 15}">${round(ops.median)}</text>`,
    ].join('');
  });
  const total = top + rows.length * height + 12;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="800" height="${total}" viewBox="0 0 800 ${total}" font-family="sans-serif" font-size="12"><title>${escaped(title)}</title><rect width="800" height="${total}" fill="#ffffff"/><text x="12" y="24" font-size="14">${escaped(title)}</text>${bars.join('')}</svg>\n`;
}
