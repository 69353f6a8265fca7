// Where the CPU time of a call goes: `npm run bench:flame` samples a process that makes 512 calls at a time, and draws a flame graph of `get`
// and one of `set`, over node-redis. Read one from the top: each box is a function, as wide as its share of the time, above those it calls.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../.cache/modules/index.js';

const milliseconds = 6000;
const inFlight = 512;
const value = { id: 12345, name: 'Ada Lovelace', active: true, score: 98.6, tags: ['math', 'engine'], note: 'x'.repeat(105) };
const keys = Array.from({ length: inFlight }, (_, i) => `key:${i}`);

const style = `
.page { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; } .head { font-weight: 600; }
.ours { fill: #f0a79d; } .theirs { fill: #a9c6e8; } .node { fill: #d5dae0; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; }
.ours { fill: #8e3b31; } .theirs { fill: #2f527a; } .node { fill: #3d444d; }
}
`;

const port = 20_000 + Math.floor(Math.random() * 20_000);
const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
  stdio: 'ignore',
});
process.once('exit', () => server.kill('SIGKILL'));
await sleep(500);

const store = redisStore({ location: `127.0.0.1:${port}`, ttl: 600_000 });
await store.ready();
await store.mset(keys.map((key) => [key, value]));
const works = { get: (key) => store.get(key), set: (key) => store.set(key, value) };
for (const [work, call] of Object.entries(works)) {
  await during(milliseconds / 3, call);
  writeFileSync(`docs/flame-${work}.svg`, drawing(work, await sampled(() => during(milliseconds, call))));
}
await store.disconnect();
process.exit(0);

async function during(time, call) {
  for (const end = performance.now() + time; performance.now() < end; ) await Promise.all(keys.map(call));
}

/** The tree of functions with their share of the samples, without the time in which the process was idle. */
async function sampled(run) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 200 });
  await session.post('Profiler.start');
  await run();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  return grown(nodes.get(profile.nodes[0].id), nodes);
}

function grown(node, nodes) {
  const children = new Map();
  let samples = node.hitCount;
  for (const id of node.children ?? []) {
    const child = grown(nodes.get(id), nodes);
    if (child.name === '(idle)') continue;
    samples += child.samples;
    const same = children.get(child.name);
    children.set(child.name, same ? merged(same, child) : child);
  }
  return { ...named(node.callFrame), samples, children: [...children.values()] };
}

function merged(one, other) {
  const children = new Map(one.children.map((child) => [child.name, child]));
  for (const child of other.children) children.set(child.name, children.has(child.name) ? merged(children.get(child.name), child) : child);
  return { ...one, samples: one.samples + other.samples, children: [...children.values()] };
}

/** The name of a function, with the file that it is in, and whose it is. */
function named({ functionName, url }) {
  const [, ours] = /\.cache\/modules\/(.+)\.js$/.exec(url) ?? [];
  const [, theirs] = /node_modules\/(.+)\.js$/.exec(url) ?? [];
  const file = ours ?? theirs?.split('/').at(-1) ?? url.replace('node:', '').replace(/^.*\//, '');
  const name = functionName || '(anonymous)';
  return { name: file ? `${name} ${file}` : name, kind: ours ? 'ours' : theirs ? 'theirs' : 'node' };
}

function drawing(work, tree) {
  const [width, row, top] = [700, 17, 64];
  const parts = [];
  let deepest = 0;
  const draw = (node, x, depth) => {
    const wide = (node.samples / tree.samples) * (width - 28);
    if (wide < 1) return;
    deepest = Math.max(deepest, depth);
    const y = top + depth * row;
    const share = `${((node.samples / tree.samples) * 100).toFixed(1)} %`;
    const words = node.name.slice(0, Math.floor((wide - 6) / 6));
    const label = words.length > 3 ? `<text x="${(x + 3).toFixed(1)}" y="${y + 12}" font-size="10">${escaped(words)}</text>` : '';
    const box = `<rect class="${node.kind}" x="${x.toFixed(1)}" y="${y}" width="${(wide - 0.5).toFixed(1)}" height="${row - 1}"/>`;
    parts.push(`<g><title>${escaped(node.name)}: ${share}</title>${box}${label}</g>`);
    let at = x;
    for (const child of node.children.sort((a, b) => b.samples - a.samples)) {
      draw(child, at, depth + 1);
      at += (child.samples / tree.samples) * (width - 28);
    }
  };
  draw({ ...tree, name: 'all', kind: 'node' }, 14, 0);
  const height = top + (deepest + 1) * row + 12;
  const head = [
    `<text x="14" y="24" class="head" font-size="16">${work}: where the CPU time of a call goes, ${inFlight} in flight</text>`,
    '<text x="14" y="44" class="quiet" font-size="12">Red: redis-tier. Blue: node-redis. Grey: Node. Each box stands on the function that called it; its width is its share.</text>',
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif"><title>Flame graph of ${work}</title><style>${style}</style><rect class="page" width="${width}" height="${height}"/>${head.join('')}${parts.join('')}</svg>\n`;
}

function escaped(words) {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
