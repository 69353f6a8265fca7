import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const root = join(__dirname, '..', '..');
const done = new Set<string>();
let folder: string | undefined;

/**
 * A program of this project (`spec/support/x.ts`) as JavaScript, for processes of their own: where it is. Compiled once, with all that
 * it imports from here: a compiler in every process takes seconds of each, and many at once starve the deadlines of the stores.
 */
export function compiled(program: string): string {
  folder ??= makeFolder();
  compile(program, folder);
  return target(program, folder);
}

function makeFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'redis-tier-compiled-'));
  symlinkSync(join(root, 'node_modules'), join(made, 'node_modules'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}

const target = (file: string, into: string): string => join(into, file.replace(/\.ts$/, '.js'));

function compile(file: string, into: string): void {
  if (done.has(file)) return;
  done.add(file);
  const text = readFileSync(join(root, file), 'utf8');
  const { outputText } = ts.transpileModule(text, {
    fileName: file,
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, esModuleInterop: true },
  });
  mkdirSync(dirname(target(file, into)), { recursive: true });
  writeFileSync(target(file, into), outputText);
  for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
    if (fileName.startsWith('.')) compile(join(dirname(file), fileName.replace(/\.js$/, '.ts')), into);
  }
}
