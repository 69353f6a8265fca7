// The figures as Markdown tables.

/** The tables with the pages that have them, between markers of these names. */
export const tables = (results) => [
  { page: 'performance', name: 'bench:eviction hits', markdown: hitTable(results) },
  { page: 'performance', name: 'bench:eviction costs', markdown: costTable(results) },
  { page: 'near-cache', name: 'bench:eviction memory', markdown: memoryTable(results) },
];

/** The median, and the smallest and the largest. */
function spread(figures, format) {
  const sorted = [...figures].sort((one, other) => one - other);
  const [least, median, most] = [sorted[0], sorted[sorted.length >> 1], sorted[sorted.length - 1]].map(format);
  return least === most ? median : `${median} (${least} to ${most})`;
}

const percent = (ratio) => (100 * ratio).toFixed(1);
const factor = (ratio) => ratio.toFixed(2);
const whole = (bytes) => bytes.toFixed(0);
function points(ratio) {
  const size = percent(Math.abs(ratio));
  if (size === '0.0') return size;
  return ratio > 0 ? `+${size}` : `−${size}`;
}

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
const unique = (list) => [...new Set(list)];

/** Hit ratios of LRU in percent, and what each other policy has more, in points. */
function hitTable({ hits }) {
  const [, ...others] = unique(hits.map(({ policy }) => policy));
  const rows = hits
    .filter(({ policy }) => policy === 'LRU')
    .map(({ trace, share, ratios }) => {
      const of = (name) => hits.find((each) => each.policy === name && each.trace === trace && each.share === share).ratios;
      const more = (name) => of(name).map((ratio, i) => ratio - ratios[i]);
      return [trace, `${100 * share} %`, spread(ratios, percent), ...others.map((name) => spread(more(name), points))];
    });
  return table(['requests', 'cache', 'LRU hits, %', ...others], rows);
}

/** CPU of a hit and of a miss, as multiples of LRU's, and bytes of an entry. */
function costTable({ costs }) {
  const rows = costs.map(({ policy, figures }) => {
    const [hit, miss] = ['hit', 'miss'].map((work) => figures.map((each) => each[work].ratio));
    const bytes = figures.map((each) => each.bytes);
    return [policy, spread(hit, factor), spread(miss, factor), spread(bytes, whole)];
  });
  return table(['', 'a hit', 'a miss with its set', 'bytes of an entry'], rows);
}

/** Bytes per entry of each kind of cache, by the size of the value. */
function memoryTable({ memory }) {
  const kinds = unique(memory.map(({ kind }) => kind));
  const rows = unique(memory.map(({ size }) => size)).map((size) => {
    const of = (kind, figure) => memory.find((each) => each.kind === kind && each.size === size).figures.map((each) => each[figure]);
    return [size, ...kinds.map((kind) => spread(of(kind, 'bytes'), whole)), spread(of('near tier', 'counted'), whole)];
  });
  return table(['bytes of the value', ...kinds, 'counted for `maxBytes`'], rows);
}
