// Both module formats from one source: the same compiler twice, and a package.json that tells Node which is which.
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
process.chdir(new URL('..', import.meta.url).pathname);

rmSync('dist', { recursive: true, force: true });
for (const [format, type] of [
  ['cjs', 'commonjs'],
  ['esm', 'module'],
]) {
  execFileSync(process.execPath, [tsc, '-p', `scripts/tsconfig.${format}.json`], { stdio: 'inherit' });
  mkdirSync(`dist/${format}`, { recursive: true });
  writeFileSync(`dist/${format}/package.json`, `{ "type": "${type}" }\n`);
}

// How an ES module finds a package that may be missing is no CommonJS: the one file that differs between the two.
for (const [from, to] of [
  ['mjs', 'js'],
  ['d.mts', 'd.ts'],
]) {
  renameSync(`dist/esm/keyv/installed.${from}`, `dist/esm/keyv/installed.${to}`);
}
