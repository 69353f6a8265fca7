// What rollup needs to bundle the sources: where a file is, TypeScript as JavaScript without comments, and source maps of lines.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { decode, encode } from '@jridgewell/sourcemap-codec';
import ts from 'typescript';

const compilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  isolatedModules: true,
  // Editors show the comments of the declarations.
  removeComments: true,
  sourceMap: true,
};

/** A plugin that reads the sources. `.mts` is the file for ES modules: how one finds a package that may be missing is no CommonJS. */
export function sources(format) {
  return {
    name: 'sources',
    resolveId(id, importer) {
      if (!id.startsWith('.') || importer === undefined) return undefined;
      const path = join(dirname(importer), id).replace(/\.js$/, '');
      return format === 'esm' && existsSync(`${path}.mts`) ? `${path}.mts` : `${path}.ts`;
    },
    load(fileName) {
      const { outputText, sourceMapText } = ts.transpileModule(readFileSync(fileName, 'utf8'), { fileName, compilerOptions });
      return { code: outputText.replace(/^\/\/# sourceMappingURL=.*$/m, ''), map: JSON.parse(sourceMapText) };
    },
  };
}

/** A plugin that leaves where a line begins and an error is thrown in the source maps: what a trace names. They are a fraction of the size. */
export function lineMaps() {
  return {
    name: 'line-maps',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (!file.fileName.endsWith('.js.map')) continue;
        const map = JSON.parse(file.source);
        const code = bundle[file.fileName.replace('.map', '')].code.split('\n');
        const mappings = decode(map.mappings).map((line, n) =>
          line
            .filter(([column], i) => i === 0 || code[n].startsWith('throw', column))
            .map(([column, source, at]) => [column, source, at, 0]),
        );
        file.source = JSON.stringify({ ...map, mappings: encode(mappings), names: [] });
      }
    },
  };
}
