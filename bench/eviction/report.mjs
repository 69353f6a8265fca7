// The figures as Markdown tables.

/** The tables with the pages that have them, between markers of these names. */
export const tables = (results) => [
  { page: 'performance', name: 'bench:eviction hits', markdown: hitTable(results) },
  { page: 'performance', name: 'bench:eviction costs', markdown: costTable(results) },
  { page: 'near-cache', name: 'bench:eviction memory', markdown: memoryTable(results) },
];

/** The smallest, the median and the largest. */
function spread(figures, digits) {
  const sorted = [...figures].sort((one, other) => one - other);
  const [least, median, most] = [sorted[0], sorted[sorted.length >> 1], sorted[sorted.length - 1]].map((figure) => figure.toFixed(digits));
  return least === most ? median : `${median} (${least}–${most})`;
}

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
const unique = (list) => [...new Set(list)];

/** Hit ratios of LRU in percent, and what each other policy has more, in points. */
function hitTable({ hits }) {
  const names = unique(hits.map(({ policy }) => policy));
  const cells = unique(hits.map(({ trace, share }) => `${trace}|${share}`));
  const rows = cells.map((cell) => {
    const [trace, share] = cell.split('|');
    const of = (name) => hits.find((each) => each.policy === name && each.trace === trace && each.share === Number(share)).ratios;
    const lru = of('LRU');
    const others = names.slice(1).map((name) => {
      const more = of(name).map((ratio, i) => 100 * (ratio - lru[i]));
      return spread(more, 1).replace(/^(?=[1-9]|0\.[1-9])/, '+');
    });
    return [
      trace,
      `${100 * share} %`,
      spread(
        lru.map((ratio) => 100 * ratio),
        1,
      ),
      ...others,
    ];
  });
  return table(['requests', 'cache', 'LRU hits, %', ...names.slice(1).map((name) => `${name}, points`)], rows);
}

/** CPU of a hit and of a miss, as multiples of LRU's, and bytes of an entry. */
function costTable({ costs }) {
  const rows = costs.map(({ policy, figures }) => [
    policy,
    ...['hit', 'miss'].map((work) =>
      spread(
        figures.map((each) => each[work].ratio),
        2,
      ),
    ),
    spread(
      figures.map((each) => each.bytes),
      0,
    ),
  ]);
  return table(['', 'a hit', 'a miss with its set', 'bytes of an entry'], rows);
}

/** Bytes per entry of each kind of cache, by the size of the value. */
function memoryTable({ memory }) {
  const kinds = unique(memory.map(({ kind }) => kind));
  const rows = unique(memory.map(({ size }) => size)).map((size) => {
    const of = (kind) => memory.find((each) => each.kind === kind && each.size === size).figures;
    const counted = of('near tier').map((figure) => figure.counted);
    return [
      size,
      ...kinds.map((kind) =>
        spread(
          of(kind).map(({ bytes }) => bytes),
          0,
        ),
      ),
      spread(counted, 0),
    ];
  });
  return table(['bytes of the value', ...kinds, 'counted for `maxBytes`'], rows);
}
