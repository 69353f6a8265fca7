// Bar charts of bench/results/benchmark.json: each of our stores beside the store it replaces, with the spread of the rounds.
// `npm run bench` draws them, and writes the tables of docs/performance.md; `node bench/charts.mjs` does so again from the figures that are there.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withSummaries } from './summary.mjs';

/** Our store, the one it replaces, and how an application uses both. */
export const replaced = [
  { use: 'cache-manager 5', ours: 'redis-tier, cache-manager 5', theirs: 'cache-manager 5 + redis-yet', peer: 'redis-yet' },
  { use: 'Keyv 5', ours: 'redis-tier, Keyv 5', theirs: 'Keyv 5 + @keyv/redis', peer: '@keyv/redis' },
  { use: 'cache-manager 7', ours: 'redis-tier, cache-manager 7', theirs: 'cache-manager 7 + @keyv/redis', peer: '@keyv/redis' },
];

/** Where the figures are from: TCP, values of 200 bytes, at these numbers of calls in flight. */
export const loads = [512, 1];
const [transport, bytes] = ['tcp', 200];

/**
 * Both stores of each pair at this load, and how many times as fast ours is: by the medians, and at least and at most, if any round of one
 * is set against any round of the other.
 */
export function pairs(results, work, inFlight) {
  const found = (title) =>
    results.find(
      (each) =>
        each.title === title && each.work === work && each.inFlight === inFlight && each.transport === transport && each.bytes === bytes,
    );
  return replaced.flatMap((pair) => {
    const [ours, theirs] = [found(pair.ours)?.ops, found(pair.theirs)?.ops];
    if (!ours || !theirs) return [];
    const ratio = { median: ours.median / theirs.median, min: ours.min / theirs.max, max: ours.max / theirs.min };
    return [{ ...pair, ours, theirs, ratio }];
  });
}

/** A ratio with its range, as the charts and the README have it. */
export function range({ median, min, max }) {
  return `${median.toFixed(1)}× (${min.toFixed(1)}–${max.toFixed(1)})`;
}

/** SVG texts by the operation that they show. */
export function charts(results) {
  const drawn = ['get', 'set'].map((work) => [work, loads.map((inFlight) => ({ inFlight, pairs: pairs(results, work, inFlight) }))]);
  return Object.fromEntries(
    drawn.filter(([, bands]) => bands.every((band) => band.pairs.length > 0)).map(([work, bands]) => [work, chart(work, bands)]),
  );
}

const style = `
.page { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; } .head { font-weight: 600; }
.ours { fill: #c0392b; } .theirs { fill: #8c9bab; } .spread { stroke: #1f2328; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; }
.ours { fill: #e5604d; } .theirs { fill: #56667a; } .spread { stroke: #e6edf3; }
}
`;

const width = 700;
const [left, longest] = [140, 292];
const [bar, pairHeight, bandHead] = [18, 58, 34];

function chart(work, bands) {
  const parts = [];
  const text = (x, y, words, attributes = '') => parts.push(`<text x="${x}" y="${y}"${attributes}>${escaped(words)}</text>`);
  text(14, 26, `${work}: operations per second, more is better`, ' class="head" font-size="16"');
  text(
    14,
    46,
    'Bars: medians. Lines: slowest to fastest round. Right: ours divided by theirs, with the range over all rounds.',
    ' class="quiet" font-size="12"',
  );
  let y = 62;
  for (const { inFlight, pairs: its } of bands) {
    const most = Math.max(...its.flatMap(({ ours, theirs }) => [ours.max, theirs.max]));
    const x = (figure) => left + (figure / most) * longest;
    text(14, y + 20, inFlight === 1 ? 'One call at a time' : `${inFlight} calls in flight`, ' class="head"');
    y += bandHead;
    for (const { use, peer, ours, theirs, ratio } of its) {
      text(14, y + 15, use);
      for (const [i, [kind, name, ops]] of [
        ['ours', 'redis-tier', ours],
        ['theirs', peer, theirs],
      ].entries()) {
        const top = y + i * (bar + 2);
        const middle = top + bar / 2;
        parts.push(`<rect class="${kind}" x="${left}" y="${top}" width="${(x(ops.median) - left).toFixed(1)}" height="${bar}"/>`);
        parts.push(`<path class="spread" d="${whisker(x(ops.min), x(ops.max), middle)}"/>`);
        text((x(ops.max) + 8).toFixed(1), top + 14, `${name} ${Math.round(ops.median).toLocaleString('en-US')}`, ' font-size="12"');
      }
      text(width - 14, y + 24, range(ratio), ' class="head" text-anchor="end"');
      y += pairHeight;
    }
  }
  const title = `${work}, values of ${bytes} bytes over TCP: our stores beside those they replace`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="system-ui, sans-serif" font-size="13"><title>${title}</title><style>${style}</style><rect class="page" width="${width}" height="${y}"/>${parts.join('')}</svg>\n`;
}

function whisker(from, to, middle) {
  const [a, b] = [from.toFixed(1), to.toFixed(1)];
  return `M${a} ${middle}H${b}M${a} ${middle - 4}v8M${b} ${middle - 4}v8`;
}

function escaped(words) {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = new URL('../', import.meta.url);
  const { results } = JSON.parse(readFileSync(new URL('bench/results/benchmark.json', root), 'utf8'));
  for (const [name, svg] of Object.entries(charts(results))) writeFileSync(new URL(`docs/benchmark-${name}.svg`, root), svg);
  const page = new URL('docs/performance.md', root);
  writeFileSync(page, withSummaries(readFileSync(page, 'utf8'), results));
}
