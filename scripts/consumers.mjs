// The packed tarball in empty projects: as ES module and CommonJS, under the strictest types, beside every major it serves.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must, root } from './setup.mjs';

/** What each empty project installs beside the tarball, compiles and runs. */
const projects = [
  {
    title: 'cache-manager 7, Keyv 5',
    install: ['cache-manager@7.2.9', 'keyv@5.6.0', '@opentelemetry/api@1.9.1'],
    files: ['consumer.mts', 'consumer.cts'],
  },
];

/** Types as strict as a project can have them. */
export const strictest = {
  module: 'nodenext',
  target: 'es2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  skipLibCheck: false,
  types: ['node'],
  outDir: 'out',
};

export function tryAsConsumer(tarball) {
  for (const { title, install, files, compilerOptions } of projects) {
    console.log(`\n> the tarball beside ${title}`);
    const cwd = mkdtempSync(join(tmpdir(), 'redis-tier-consumer-'));
    mkdirSync(join(cwd, 'src'));
    writeFileSync(join(cwd, 'package.json'), '{ "private": true, "type": "module" }\n');
    writeFileSync(
      join(cwd, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...strictest, rootDir: 'src', ...compilerOptions }, include: ['src'] }),
    );
    for (const file of files) copyFileSync(join(root, 'spec/package', file), join(cwd, 'src', file));
    const tools = ['typescript@6.0.3', '@types/node@20'];
    must('npm', ['install', '--no-audit', '--no-fund', '--silent', tarball, ...install, ...tools], { cwd });
    must(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd });
    for (const file of files) must(process.execPath, [`out/${file.replace(/ts$/, 'js')}`], { cwd });
    rmSync(cwd, { recursive: true, force: true });
  }
}
