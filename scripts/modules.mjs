// The sources file by file, as ES modules in `.cache/modules`: for benchmarks of parts that no entry exports.
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { bin, must, root } from './setup.mjs';

const folder = `${root}/.cache/modules`;

export function buildModules() {
  rmSync(folder, { recursive: true, force: true });
  must(process.execPath, [bin('tsc'), '-p', 'scripts/tsconfig.modules.json']);
  writeFileSync(`${folder}/package.json`, '{ "type": "module" }\n');
  // The files for ES modules take the place of those for CommonJS.
  for (const name of readdirSync(folder, { recursive: true })) {
    if (name.endsWith('.mjs')) renameSync(`${folder}/${name}`, `${folder}/${name.replace(/mjs$/, 'js')}`);
  }
}
