// What ts-node makes JavaScript with (tsconfig.json): TypeScript's own transpiler, and a cache in `.cache/transpiled` that all processes
// share. Without the cache every process that runs specs spends its first seven seconds on transpiling.
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join, relative } = require('node:path');
const ts = require('typescript');

const root = join(__dirname, '..', '..');
const folder = join(root, '.cache', 'transpiled');
mkdirSync(folder, { recursive: true });

exports.create = ({ service }) => {
  const compilerOptions = service.config.options;
  const basis = JSON.stringify([ts.version, compilerOptions]);
  return {
    transpile(text, { fileName }) {
      const hash = createHash('sha256').update(basis).update(text).digest('hex');
      const file = join(folder, encodeURIComponent(relative(root, fileName)));
      const cached = read(file);
      if (cached?.hash === hash) return cached;
      const { outputText, sourceMapText } = ts.transpileModule(text, { fileName, compilerOptions });
      // The rename makes the file appear complete: other processes may read it at any time.
      writeFileSync(`${file}.${process.pid}`, JSON.stringify({ hash, outputText, sourceMapText }));
      renameSync(`${file}.${process.pid}`, file);
      return { outputText, sourceMapText };
    },
  };
};

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
