import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { REGISTER_INSTANCE } from 'ts-node';

const root = join(__dirname, '..', '..');
/** In the project, so that programs find its packages. */
const folder = join(root, '.cache', 'compiled');
const done = new Set<string>();
/** What programs read from beside the source. */
const beside = 'docs';

/**
 * A program of this project (`spec/support/x.ts`) as JavaScript, for processes of their own: where it is. Made once, with all that it
 * imports from here, from what ts-node keeps: a compiler in every process takes seconds of each, and many at once starve the deadlines
 * of the stores.
 */
export function compiled(program: string): string {
  if (done.size === 0) link(beside);
  compile(program);
  return target(program);
}

const target = (file: string): string => join(folder, file.replace(/\.ts$/, '.js'));

function compile(file: string): void {
  if (done.has(file)) return;
  done.add(file);
  const path = join(root, file);
  const output = process[REGISTER_INSTANCE]?.compile(readFileSync(path, 'utf8'), path);
  if (output === undefined) throw new Error('only in a process that ts-node compiles');
  const code = output.replace(/\n\/\/# sourceMappingURL=[^\n]*\s*$/, '\n');
  put(target(file), code);
  for (const [, name] of code.matchAll(/\b(?:require|import)\(["'](\.[^"']+)\.js["']\)/g)) compile(join(dirname(file), `${name}.ts`));
}

function link(name: string): void {
  mkdirSync(folder, { recursive: true });
  try {
    symlinkSync(join(root, name), join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Unless it is there already. The rename makes it appear complete: other processes may read it at any time. */
function put(path: string, code: string): void {
  if (read(path) === code) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, code);
  renameSync(`${path}.${process.pid}`, path);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
