import { expect } from 'chai';
import ts from 'typescript';

const entries = ['src/index.ts', 'src/keyv.ts', 'src/otel.ts'];
/** What is called most. */
const mostUsed = ['get', 'mget', 'set', 'mset', 'del', 'clear', 'incr', 'getOrSet', 'invalidateTags', 'withLock'];
const constructors = ['redisStore', 'createKeyv', 'KeyvRedisStore', 'coherentMemory', 'instrument'];

describe('what an editor shows', function () {
  this.timeout(60_000);
  let checker: ts.TypeChecker;
  let exported: Map<string, ts.Symbol>;
  before(() => {
    const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, '.');
    const program = ts.createProgram(entries, { ...options, noEmit: true });
    checker = program.getTypeChecker();
    exported = new Map();
    for (const entry of entries) {
      const module = checker.getSymbolAtLocation(program.getSourceFile(entry) as ts.SourceFile) as ts.Symbol;
      for (const symbol of checker.getExportsOfModule(module)) {
        exported.set(symbol.name, symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
      }
    }
  });
  const textOf = (symbol: ts.Symbol): string => ts.displayPartsToString(symbol.getDocumentationComment(checker));
  const hasExample = (symbol: ts.Symbol): boolean => symbol.getJsDocTags(checker).some(({ name }) => name === 'example');

  it('is a text for every export', () => {
    expect([...exported].filter(([, symbol]) => textOf(symbol) === '').map(([name]) => name)).to.deep.equal([]);
  });

  it('says of every option what happens without it', () => {
    const silent: string[] = [];
    for (const [name, symbol] of exported) {
      if (!name.endsWith('Options')) continue;
      for (const option of checker.getDeclaredTypeOfSymbol(symbol).getProperties()) {
        if ((option.flags & ts.SymbolFlags.Optional) === 0) continue;
        // Options of node-redis and Keyv are documented there.
        const isTheirs = option.declarations?.[0]?.getSourceFile().fileName.includes('node_modules') ?? true;
        if (!isTheirs && !/default|required|left out|without|none/i.test(textOf(option))) silent.push(`${name}.${option.name}`);
      }
    }
    expect(silent).to.deep.equal([]);
  });

  it('is an example for what is used most', () => {
    const store = checker.getDeclaredTypeOfSymbol(exported.get('RedisStore') as ts.Symbol);
    const methods = mostUsed.map((name) => store.getProperty(name) as ts.Symbol);
    const without = [...methods, ...constructors.map((name) => exported.get(name) as ts.Symbol)].filter((symbol) => !hasExample(symbol));
    expect(without.map(({ name }) => name)).to.deep.equal([]);
  });
});
