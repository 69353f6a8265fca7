// Line charts as SVG: panels side by side, two in a row, with a range at each point. Readable at 700 pixels, on light and dark pages.

const style = `
.page { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; } .head { font-weight: 600; }
.axis { stroke: #d1d9e0; stroke-width: 1; } path { fill: none; stroke-width: 2; }
.a { stroke: #c0392b; } .b { stroke: #57687a; } .c { stroke: #1f77b4; } .d { stroke: #2e8540; }
.fa { fill: #c0392b; } .fb { fill: #57687a; } .fc { fill: #1f77b4; } .fd { fill: #2e8540; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; } .axis { stroke: #3d444d; }
.a { stroke: #ff7b6b; } .b { stroke: #a3b3c4; } .c { stroke: #6cb6ff; } .d { stroke: #6bc46d; }
.fa { fill: #ff7b6b; } .fb { fill: #a3b3c4; } .fc { fill: #6cb6ff; } .fd { fill: #6bc46d; }
}
`;
const width = 700;
const [panelWidth, plotLeft, plotWidth, plotHeight] = [width / 2, 58, 266, 150];
const letters = ['a', 'b', 'c', 'd'];

/**
 * `panels`: each with `title`, `unit`, `x` (its name) and `lines`, whose points have `x` and the spread of `y`. `isEven`: x has its place by
 * itself, not by its logarithm.
 */
export function chart(title, about, panels) {
  const parts = [text(14, 26, title, ' class="head" font-size="16"'), text(14, 46, about, ' class="quiet" font-size="12"')];
  let [y, tallest] = [58, 0];
  for (const [i, each] of panels.entries()) {
    if (i % 2 === 0) [y, tallest] = [y + tallest, 0];
    tallest = Math.max(tallest, panel(parts, each, (i % 2) * panelWidth, y));
  }
  const height = y + tallest;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12"><title>${escaped(title)}</title><style>${style}</style><rect class="page" width="${width}" height="${height}"/>${parts.join('')}</svg>\n`;
}

/** Draws one panel. @returns its height */
function panel(parts, { title, unit, x: xName, lines, isEven = false }, left, top) {
  const [from, plotTop] = [left + plotLeft, top + 46];
  const points = lines.flatMap((each) => each.points);
  const xs = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const highest = nice(Math.max(...points.map(({ y }) => y.most)));
  const place = isEven ? (x) => x : Math.log;
  const [first, last] = [place(xs[0]), place(xs.at(-1))];
  const toX = (x) => round(from + (last === first ? 0.5 : (place(x) - first) / (last - first)) * plotWidth);
  const toY = (y) => round(plotTop + plotHeight * (1 - y / highest));
  parts.push(text(left + 14, top + 18, title, ' class="head"'), text(left + 14, top + 35, unit, ' class="quiet" font-size="11"'));
  for (const share of [0, 0.5, 1]) {
    const at = toY(highest * share);
    parts.push(`<line class="axis" x1="${from - 4}" x2="${from + plotWidth + 4}" y1="${at}" y2="${at}"/>`);
    parts.push(text(from - 9, at + 4, label(highest * share), ' class="quiet" text-anchor="end" font-size="11"'));
  }
  let taken = Number.NEGATIVE_INFINITY;
  for (const x of xs) {
    if (toX(x) - taken < 34) continue;
    taken = toX(x);
    parts.push(text(taken, plotTop + plotHeight + 17, label(x), ' class="quiet" text-anchor="middle" font-size="11"'));
  }
  parts.push(text(from + plotWidth / 2, plotTop + plotHeight + 34, xName, ' class="quiet" text-anchor="middle" font-size="11"'));
  for (const [i, each] of lines.entries()) {
    const letter = letters[i];
    const path = each.points.map(({ x, y }, at) => `${at === 0 ? 'M' : 'L'}${toX(x)} ${toY(y.median)}`).join('');
    const ranges = each.points.map(({ x, y }) => (y.least === y.most ? '' : `M${toX(x)} ${toY(y.least)}V${toY(y.most)}`)).join('');
    parts.push(`<path class="${letter}" d="${path}"/>`);
    if (ranges) parts.push(`<path class="${letter}" d="${ranges}" stroke-width="1.5"/>`);
    for (const { x, y } of each.points) parts.push(`<circle class="f${letter}" cx="${toX(x)}" cy="${toY(y.median)}" r="3"/>`);
    const at = plotTop + plotHeight + 54 + i * 16;
    parts.push(`<rect class="f${letter}" x="${from}" y="${at - 9}" width="10" height="10"/>`, text(from + 16, at, each.name));
  }
  return 46 + plotHeight + 50 + lines.length * 16 + 10;
}

/** The next round number above. */
function nice(figure) {
  const size = 10 ** Math.floor(Math.log10(figure || 1));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * size).find((each) => each >= figure * 1.02) ?? 20 * size;
}

function label(figure) {
  const size = Math.abs(figure);
  if (size >= 1e6) return `${trimmed(figure / 1e6)}M`;
  if (size >= 1e4) return `${trimmed(figure / 1e3)}k`;
  return trimmed(figure);
}

const trimmed = (figure) => String(Number(figure.toPrecision(3)));
const round = (figure) => Math.round(figure * 10) / 10;
const escaped = (words) => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function text(x, y, words, attributes = '') {
  return `<text x="${x}" y="${y}"${attributes}>${escaped(words)}</text>`;
}
