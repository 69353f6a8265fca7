// The figures as one SVG: a row for each fault, a column for each store, a band for each topology. The words say what the colours say.
import { words } from './report.mjs';

const kinds = {
  good: 'every call settles, and it comes back',
  slow: 'some calls take more than 1.5 s, or some wrap() calls lose the value',
  bad: 'calls hang, it does not come back, or the process ends',
  none: 'the store has no way to be told of this topology',
};

/** Of the figures in the cell, and nothing else. */
function kindOf({ offered, under, recovery, after, crash }) {
  if (offered === false) return 'none';
  if (crash || under.max === null || recovery.steady === null || after.wrong > 0) return 'bad';
  return under.max > 1500 || under.made < under.wraps ? 'slow' : 'good';
}

const style = `
.page { fill: #ffffff; } text { fill: #202124; } .small { font-size: 11px; } .head { font-weight: bold; }
.good { fill: #d5ecd8; } .slow { fill: #fbe7b5; } .bad { fill: #f6cfca; } .none { fill: #eceef0; }
@media (prefers-color-scheme: dark) { .page { fill: #0d1117; } text { fill: #e8eaed; } .good { fill: #1f4d2b; } .slow { fill: #5c4706; } .bad { fill: #6b211a; } .none { fill: #30363d; } }
`;

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const [left, top, width, height, band] = [192, 84, 148, 58, 40];

export function chart({ about, topologies, faults, results }) {
  const titles = [...new Set(results.map(({ title }) => title))];
  const parts = [];
  const text = (x, y, words, attributes = '') => parts.push(`<text x="${x}" y="${y}"${attributes}>${escaped(words)}</text>`);

  text(12, 24, 'Redis fails under load: how long calls take, and what it takes to come back', ' class="head" font-size="15"');
  for (const [i, title] of titles.entries()) {
    const x = left + i * width + width / 2 - 3;
    const [first, ...rest] = title.split(/(?<=,) |(?= \+)/);
    text(x, 52, first.trim(), ' class="head" text-anchor="middle"');
    if (rest.length) text(x, 67, rest.map((part) => part.trim()).join(' '), ' class="head small" text-anchor="middle"');
  }
  let y = top;
  for (const [topology, { title, about: what }] of Object.entries(topologies)) {
    const its = faults.filter((fault) => fault.topology === topology);
    if (its.length === 0) continue;
    text(12, y + 18, title, ' class="head" font-size="14"');
    const since = topology === 'server' ? [] : ['A replica takes over meanwhile: the time to come back counts from its promotion.'];
    for (const [line, words] of [what.replaceAll('`', ''), ...since].entries()) text(left, y + 15 + line * 15, words, ' class="small"');
    y += band;
    for (const fault of its) {
      text(12, y + 24, fault.title, ' class="head"');
      for (const [i, title] of titles.entries()) {
        const result = results.find((each) => each.title === title && each.fault === fault.name && each.topology === topology);
        if (!result) continue;
        const x = left + i * width;
        parts.push(`<rect class="${kindOf(result)}" x="${x}" y="${y}" width="${width - 6}" height="${height - 6}" rx="4"/>`);
        for (const [line, words] of linesOf(result, about).entries()) text(x + 8, y + 16 + line * 15, words, ' class="small"');
      }
      y += height;
    }
    y += 8;
  }
  for (const [i, [kind, words]] of Object.entries(kinds).entries()) {
    parts.push(`<rect class="${kind}" x="${left}" y="${y + 4 + i * 20}" width="24" height="14" rx="3"/>`);
    text(left + 32, y + 15 + i * 20, words, ' class="small"');
  }
  const [full, tall] = [left + titles.length * width + 12, y + 20 * Object.keys(kinds).length + 12];
  const title = 'Faults by store: longest call, wrap calls that gave their value, time to recover';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${full}" height="${tall}" viewBox="0 0 ${full} ${tall}" font-family="sans-serif" font-size="12"><title>${title}</title><style>${style}</style><rect class="page" width="${full}" height="${tall}"/>${parts.join('')}</svg>\n`;
}

function linesOf(result, about) {
  if (result.offered === false) return ['not offered'];
  if (!result.under) return ['the process ended'];
  const { longest, made, steady } = words(result, about);
  const last = result.crash
    ? 'then the process ended'
    : steady.startsWith('not')
      ? `${steady.replace('not in', 'not back in')}`
      : `back after ${steady}`;
  return [`longest call: ${longest}`.replace('longest call: hangs', 'calls hang'), `wrap() works: ${made}`, last];
}
