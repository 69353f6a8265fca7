// Transpiles what most specs import, before they start side by side: each process would do all of it at the same time. Afterwards it is
// in `.cache/transpiled` (spec/support/transpiler.cjs), and this takes no time.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { root } from './setup.mjs';

const folders = ['src', 'spec/support', 'spec/contract', 'examples'];
const processes = 2;

/** In as many processes as `npm test` has processors at the least. */
export async function transpile() {
  const children = Array.from({ length: processes }, (_, i) => fork(fileURLToPath(import.meta.url), [String(i)], { execArgv: [] }));
  const codes = await Promise.all(children.map((child) => once(child, 'exit')));
  if (codes.some(([code]) => code !== 0)) process.exit(1);
}

function share(number) {
  const service = createRequire(import.meta.url)('../spec/support/register.cjs');
  const files = folders.flatMap((folder) =>
    readdirSync(`${root}/${folder}`, { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${root}/${folder}/${name}`),
  );
  for (const file of files.filter((_, i) => i % processes === number)) service.compile(readFileSync(file, 'utf8'), file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) share(Number(process.argv[2]));
