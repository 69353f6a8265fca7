// The chart of `npm run bench:fleet`: time until all clients are connected again, with the range of the rounds and the ideal.

const style = `
.page { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; } .head { font-weight: 600; }
.ours { fill: #c0392b; } .theirs { fill: #8c9bab; } .spread { stroke: #1f2328; stroke-width: 1.5; }
.ideal { stroke: #1f2328; stroke-width: 1.5; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; }
.ours { fill: #e5604d; } .theirs { fill: #56667a; } .spread, .ideal { stroke: #e6edf3; }
}
`;
const [width, left, longest, bar] = [700, 180, 420, 18];

export function chart(rows) {
  const most = Math.max(...rows.flatMap(({ spreads }) => Object.values(spreads).map((spread) => spread.most)));
  const x = (seconds) => left + (seconds / most) * longest;
  const parts = [];
  const text = (at, y, words, attributes = '') => parts.push(`<text x="${at}" y="${y}"${attributes}>${words}</text>`);
  text(14, 26, 'A fleet comes back: seconds until all are connected, less is better', ' class="head" font-size="16"');
  text(
    14,
    46,
    'Bars: medians. Lines: fastest to slowest round. Dashed: all handshakes, one after the other.',
    ' class="quiet" font-size="12"',
  );
  let y = 62;
  for (const { clients, cost, ideal, spreads } of rows) {
    text(14, y + 20, `${clients.toLocaleString('en')} clients, ${cost} ms a handshake`, ' class="head"');
    y += 30;
    const top = y;
    for (const [name, { least, median, most: slowest }] of Object.entries(spreads)) {
      text(14, y + 13, name);
      const kind = name === 'redis-tier' ? 'ours' : 'theirs';
      parts.push(`<rect class="${kind}" x="${left}" y="${y}" width="${(x(median) - left).toFixed(1)}" height="${bar - 2}"/>`);
      parts.push(
        `<line class="spread" x1="${x(least).toFixed(1)}" x2="${x(slowest).toFixed(1)}" y1="${y + bar / 2 - 1}" y2="${y + bar / 2 - 1}"/>`,
      );
      text(Math.round(x(slowest)) + 8, y + 13, `${median.toFixed(1)} s`, ' font-size="12"');
      y += bar + 2;
    }
    parts.push(`<line class="ideal" x1="${x(ideal).toFixed(1)}" x2="${x(ideal).toFixed(1)}" y1="${top - 4}" y2="${y}"/>`);
    y += 8;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 6}" font-family="system-ui, sans-serif" font-size="13">
<title>Seconds until a fleet is connected again</title><style>${style}</style>
<rect class="page" width="${width}" height="${y + 6}"/>
${parts.join('\n')}
</svg>
`;
}
