// npm run build: a file for each entry and one for what they share, in both module formats, and declarations that are rolled up alike.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import terser from '@rollup/plugin-terser';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { lineMaps, sources } from './sources.mjs';

process.chdir(new URL('..', import.meta.url).pathname);
const declarations = '.cache/declarations';
for (const folder of ['dist', declarations]) rmSync(folder, { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'scripts/tsconfig.build.json', '--outDir', declarations], { stdio: 'inherit' });

const entries = ['index', 'keyv', 'otel'];
/** Where the entries are. */
const input = (folder, ending) => Object.fromEntries(entries.map((name) => [name, `${folder}/${name}${ending}`]));
/** Packages and Node's own modules are imported; the package is not to bring copies of them. */
const external = (id) => /^[@\w]/.test(id) && !id.startsWith('src/') && !id.startsWith(declarations);

const output = {
  generatedCode: 'es2015',
  hoistTransitiveImports: false,
  // The names of the sources: they are in traces.
  minifyInternalExports: false,
  // What only `otel` needs as well is apart, so that it loads no node-redis.
  chunkFileNames: ({ moduleIds }) =>
    moduleIds.some((id) => /\/store\.|\/compose\.|\/options\/options\./.test(id)) ? 'core.js' : 'common.js',
};

/** A statement a line, with the names that traces show. Node reads half as much, and ASCII twice as fast. */
const shortened = {
  compress: false,
  mangle: { keep_classnames: true, keep_fnames: true },
  format: { ascii_only: true, semicolons: false },
};

const types = await rollup({ input: input(declarations, '.d.ts'), external, plugins: [dts()], onLog });
for (const [format, type] of [
  ['cjs', 'commonjs'],
  ['esm', 'module'],
]) {
  const dir = `dist/${format}`;
  const code = await rollup({ input: input('src', '.ts'), external, plugins: [sources(format), terser(shortened), lineMaps()], onLog });
  await code.write({
    ...output,
    dir,
    format,
    exports: 'named',
    interop: 'auto',
    // Nothing that is exported changes, and a frozen namespace is of no use.
    externalLiveBindings: false,
    freeze: false,
    sourcemap: true,
    sourcemapExcludeSources: true,
  });
  const chunkFileNames = (chunk) => output.chunkFileNames(chunk).replace('.js', '.d.ts');
  await types.write({ ...output, dir, format: 'esm', entryFileNames: '[name].d.ts', chunkFileNames });
  writeFileSync(`${dir}/package.json`, `{ "type": "${type}" }\n`);
}

/** A warning ends the build. A type that options name need not be exported itself. */
function onLog(_level, log) {
  if (log.plugin === 'dts' && log.message.includes('private shared type exports')) return;
  throw new Error(log.message);
}
