// `clear()` side by side with @keyv/redis: bench/clear.mjs, which has a process of its own.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { spread } from './figures.mjs';

const script = fileURLToPath(new URL('../clear.mjs', import.meta.url));

export async function measure({ quick, log }) {
  const [keys, rounds] = quick ? [100_000, 3] : [3_000_000, 5];
  log(`${rounds} rounds of ${keys} keys`);
  const output = execFileSync(process.execPath, ['--expose-gc', script, String(keys), String(rounds), '--json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const results = JSON.parse(output);
  const peer = results['@keyv/redis, clear()'];
  const figures = Object.entries(results).map(([title, list]) => ({
    title,
    milliseconds: spread(list.map(({ milliseconds }) => milliseconds)),
    cpu: spread(list.map(({ cpu }) => cpu)),
    growth: spread(list.map(({ growth }) => growth)),
    ratio: spread(list.map(({ milliseconds }, round) => milliseconds / peer[round].milliseconds)),
  }));
  return { keys, rounds, figures };
}
