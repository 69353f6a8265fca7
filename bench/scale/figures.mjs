// Medians with their ranges, and how the page writes figures.

/** Median, least and most. */
export function spread(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], least: sorted[0], most: sorted.at(-1) };
}

/** Of objects with the same members, the spread of each. */
export function spreads(list) {
  return Object.fromEntries(Object.keys(list[0]).map((name) => [name, spread(list.map((each) => each[name]))]));
}

/** Intercept and slope of the line through these points. */
export function line(points) {
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(([each]) => each), mean(([, each]) => each)];
  const slope = mean(([a, b]) => (a - x) * (b - y)) / mean(([a]) => (a - x) ** 2);
  return { slope, intercept: y - slope * x };
}

export const count = (figure) => Math.round(figure).toLocaleString('en-US');

/** With three digits that count. */
export function short(figure) {
  if (!Number.isFinite(figure)) return '—';
  const size = Math.abs(figure);
  if (size >= 1e9) return `${short(figure / 1e9)} billion`;
  if (size >= 1e6) return `${short(figure / 1e6)} million`;
  if (size >= 100) return count(figure);
  return figure.toFixed(size >= 10 ? 1 : 2);
}

/** A median with its range. */
export function ranged({ median, least, most }, write = short) {
  return `${write(median)} (${write(least)}–${write(most)})`;
}

export function bytes(figure) {
  if (figure >= 1e9) return `${short(figure / 1e9)} GB`;
  if (figure >= 1e6) return `${short(figure / 1e6)} MB`;
  return figure >= 1e4 ? `${short(figure / 1e3)} kB` : `${count(figure)} B`;
}

export function percent(share) {
  return `${(100 * share).toFixed(share < 0.001 && share > 0 ? 3 : share < 0.0995 ? 1 : 0)} %`;
}

export function table(head, rows) {
  return [`| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');
}
