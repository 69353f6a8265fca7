// What the package is to stay: few files, a small tarball, quick to import, the same classes from every entry, traces of sources.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rollup } from 'rollup';
import { root } from './setup.mjs';

/** What a format consists of: the entries, what they share, and what only `otel` needs as well. */
const parts = ['common', 'core', 'index', 'keyv', 'otel'];
const endings = ['.d.ts', '.js', '.js.map'];
/** In bytes, packed. */
const bounds = { tarball: 470_000 };
/** What an entry loads beside Node's own modules, as CommonJS. */
const loaded = {
  'redis-tier': ['@keyv/serialize', '@redis/client', 'cluster-key-slot', 'lru-cache', 'ms'],
  'redis-tier/keyv': ['@keyv/serialize', '@redis/client', 'cluster-key-slot', 'lru-cache', 'ms'],
  'redis-tier/otel': ['@opentelemetry/api'],
};
/** Modules of Node that take time to load and that nothing here needs. */
const unneeded = ['child_process', 'cluster', 'http', 'http2', 'https', 'inspector', 'worker_threads', 'readline', 'vm', 'sqlite', 'test'];

/** Checks what was built and packed. @throws for what is not as it is to be */
export async function checkPackage(tarball) {
  const { size } = statSync(tarball);
  console.log(`\n> the package: ${size} bytes packed`);
  assert.ok(size <= bounds.tarball, `the tarball has at most ${bounds.tarball} bytes`);
  const files = [...parts.flatMap((name) => endings.map((ending) => `${name}${ending}`)), 'package.json'].sort();
  for (const format of ['cjs', 'esm']) assert.deepEqual(readdirSync(join(root, 'dist', format)).sort(), files);
  for (const [entry, packages] of Object.entries(loaded)) checkLoaded(entry, packages);
  for (const format of [[], ['--input-type=module']]) checkClasses(format);
  await checkShaking();
}

function run(args, program) {
  return execFileSync(process.execPath, [...args, '-e', program], { cwd: root, encoding: 'utf8' });
}

function checkLoaded(entry, packages) {
  const program = `const before = process.moduleLoadList.length; require('${entry}'); console.log(JSON.stringify({
    files: Object.keys(require.cache),
    builtin: process.moduleLoadList.slice(before).map((name) => name.replace('NativeModule ', '')),
  }))`;
  const { files, builtin } = JSON.parse(run([], program));
  const names = new Set(
    files.flatMap((file) => /node_modules[\\/](@[^\\/]+[\\/][^\\/]+|[^\\/]+)/.exec(file)?.[1]?.replace('\\', '/') ?? []),
  );
  assert.deepEqual([...names].sort(), packages, `packages that ${entry} loads`);
  assert.deepEqual(
    builtin.filter((name) => unneeded.includes(name)),
    [],
    `modules of Node that ${entry} loads`,
  );
}

/** In each format the entries share their classes, and a trace shows lines of the sources. */
function checkClasses(format) {
  const load = format.length > 0 ? 'await import' : 'require';
  const program = `const a = ${load}('redis-tier'), b = ${load}('redis-tier/keyv');
    let caught; try { new b.KeyvRedisStore({ ttl: -1 }); } catch (error) { caught = error; }
    console.log(JSON.stringify({ same: caught instanceof a.OptionError, name: a.OptionError.name, stack: caught.stack }))`;
  const { same, name, stack } = JSON.parse(run(['--enable-source-maps', ...format], program));
  assert.deepEqual({ same, name }, { same: true, name: 'OptionError' });
  const [, file, line] = /(src[\\/]\S+\.ts):(\d+):\d+/.exec(stack) ?? [];
  assert.ok(file, `a line of a source in ${stack}`);
  assert.match(readFileSync(join(root, file), 'utf8').split('\n')[line - 1], /throw new OptionError/);
}

/** A bundler leaves out what is not used. */
async function checkShaking() {
  const bundled = async (program) => {
    const resolveId = (id, importer) => {
      if (importer === undefined) return id;
      if (id === 'redis-tier') return { id: join(root, 'dist/esm/index.js'), moduleSideEffects: false };
      return id.startsWith('.')
        ? { id: join(importer, '..', id), moduleSideEffects: false }
        : { id, external: true, moduleSideEffects: false };
    };
    const load = (id) => (id === 'program' ? program : undefined);
    const bundle = await rollup({ input: 'program', onLog() {}, plugins: [{ name: 'package', resolveId, load }] });
    const { output } = await bundle.generate({ format: 'es' });
    return output[0].code.length;
  };
  const [none, one, all] = await Promise.all([
    bundled("import { redisStore } from 'redis-tier';"),
    bundled("import { plainKeys } from 'redis-tier'; console.log(plainKeys);"),
    bundled("import * as all from 'redis-tier'; console.log(all);"),
  ]);
  console.log(`bundled: ${none} bytes of what is not used, ${one} of one function, ${all} of all`);
  assert.ok(none < 10 && one < all / 10, 'a bundler leaves out what is not used');
}
