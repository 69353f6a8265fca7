import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export const root = join(__dirname, '..', '..');

/** The pages in `docs/`, as paths in the project. */
export const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`)
  .sort();
export const documents = ['README.md', 'CONTRIBUTING.md', 'examples/README.md', ...pages];
/** Those that users read; the code blocks in them compile. */
export const manual = documents.filter((name) => name !== 'CONTRIBUTING.md');

const texts = new Map<string, string>();

export function text(document: string): string {
  const known = texts.get(document) ?? readFileSync(join(root, document), 'utf8');
  texts.set(document, known);
  return known;
}

/** The anchors of a document, as GitHub makes them of its headings: a second heading of the same text gets `-1`. */
export function anchors(document: string): string[] {
  const seen = new Map<string, number>();
  return headings(document).map((heading) => {
    const anchor = heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return times === 0 ? anchor : `${anchor}-${times}`;
  });
}

/** The headings of a document, without what looks like one in a code block. */
export function headings(document: string): string[] {
  const prose = text(document).replace(/^ *```.*?^ *```/gms, '');
  return [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading as string);
}

export interface Block {
  readonly document: string;
  /** The line in the document that the code begins on. */
  readonly line: number;
  readonly code: string;
}

/** The TypeScript and JavaScript of a document. */
export function blocks(document: string): Block[] {
  const whole = text(document);
  return [...whole.matchAll(/^( *)```(?:ts|js|typescript|javascript)\n(.*?)^\1```/gms)].map(({ index, 2: code }) => ({
    document,
    line: whole.slice(0, index).split('\n').length + 1,
    code: code as string,
  }));
}

/** The section of a document under a heading of the second level. */
export function section(document: string, heading: string): string {
  const [, found] = text(document).split(`\n## ${heading}\n`);
  if (found === undefined) throw new Error(`${document} has no section ${heading}`);
  return found.split('\n## ')[0] as string;
}

/** The names in the first column of the tables of a document, if they are code. */
export function rows(document: string): string[] {
  return [...text(document).matchAll(/^\| `([\w.]+)`\s*\|/gm)].map(([, name]) => name as string);
}

/** What readers have of their own, in code blocks that leave it out. */
const theirs = `
declare function loadUser(id: string | number): Promise<{ id: string; name: string }>;
declare function loadNews(): Promise<string[]>;
declare function loadBoard(): Promise<string[]>;
declare function loadPage(): Promise<string>;
declare function settleAccounts(options: { fence: number; signal: AbortSignal }): Promise<void>;
`;
/** Packages without types that code blocks import. */
const untyped =
  "declare module 'redis-parser' { const RedisParser: new (options: any) => { execute(chunk: Buffer): void }; export default RedisParser; }\n";

/**
 * One program of all code blocks and the entry points of the library, under strict types. A block is a file in memory; nothing of the library but
 * its declarations is checked again.
 */
export class DocumentProgram {
  readonly #program: ts.Program;
  readonly #blocks: ReadonlyMap<string, Block>;

  constructor() {
    const all = manual.flatMap(blocks);
    this.#blocks = new Map(all.map((block, i) => [join(root, 'docs', `block-${i}.mts`), block]));
    const virtual = new Map([...this.#blocks].map(([file, { code }]) => [file, module(code)]));
    virtual.set(join(root, 'docs', 'theirs.d.ts'), theirs + untyped);
    const host = ts.createCompilerHost(options);
    const { readFile, fileExists, getSourceFile } = host;
    host.readFile = (file) => virtual.get(file) ?? readFile(file);
    host.fileExists = (file) => virtual.has(file) || fileExists(file);
    host.getSourceFile = (file, language, ...rest) => {
      const code = virtual.get(file);
      return code === undefined ? getSourceFile(file, language, ...rest) : ts.createSourceFile(file, code, language);
    };
    this.#program = ts.createProgram([...virtual.keys(), ...entries.map(entryFile)], options, host);
  }

  /** What the compiler says about the blocks, each with its place in a document. */
  errors(): string[] {
    return [...this.#blocks].flatMap(([file, { document, line }]) => {
      const source = this.#program.getSourceFile(file);
      const found = [...this.#program.getSyntacticDiagnostics(source), ...this.#program.getSemanticDiagnostics(source)];
      return found.map(({ start = 0, messageText }) => {
        const at = line + (source?.getLineAndCharacterOfPosition(start).line ?? 0);
        return `${document}:${at}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
      });
    });
  }

  /** The names that an entry point exports to users. */
  exported(entry: (typeof entries)[number]): string[] {
    return this.#symbols(entry)
      .filter((symbol) => !isInternal(this.#target(symbol)))
      .map(({ name }) => name);
  }

  /** The members of a type that an entry point exports, own and inherited, or of the type of a member: `StoreOptions`, `StoreOptions.cluster`. */
  members(path: string): string[] {
    const checker = this.#program.getTypeChecker();
    const [name, ...inner] = path.split('.');
    let type = this.#typeOf(name as string);
    for (const member of inner) {
      const found = type.getProperty(member);
      if (!found) throw new Error(`${path} has no ${member}`);
      type = checker.getNonNullableType(checker.getTypeOfSymbol(found));
    }
    return type
      .getProperties()
      .filter((member) => !isInternal(member) && !isHidden(member))
      .map((member) => member.name);
  }

  /** The methods of a class or interface that an entry point exports, as a heading names them: `mget(...keys)`. */
  methods(name: string): string[] {
    const checker = this.#program.getTypeChecker();
    return this.members(name).flatMap((member) => {
      const symbol = this.#typeOf(name).getProperty(member) as ts.Symbol;
      const [signature] = checker.getTypeOfSymbol(symbol).getCallSignatures();
      if (!signature) return [];
      const parameters = signature.parameters.map((parameter) => {
        const declaration = parameter.valueDeclaration;
        return declaration && ts.isParameter(declaration) && declaration.dotDotDotToken ? `...${parameter.name}` : parameter.name;
      });
      return [`${member}(${parameters.join(', ')})`];
    });
  }

  /** The values of a union of strings. */
  union(name: string): string[] {
    const symbol = this.#symbols('index').find((each) => each.name === name);
    const type = symbol && this.#program.getTypeChecker().getDeclaredTypeOfSymbol(this.#target(symbol));
    return type?.isUnion() ? type.types.map((each) => (each as ts.StringLiteralType).value) : [];
  }

  #typeOf(name: string): ts.Type {
    const symbol = entries.flatMap((entry) => this.#symbols(entry)).find((each) => each.name === name);
    if (!symbol) throw new Error(`nothing exports ${name}`);
    return this.#program.getTypeChecker().getDeclaredTypeOfSymbol(this.#target(symbol));
  }

  #symbols(entry: (typeof entries)[number]): ts.Symbol[] {
    const checker = this.#program.getTypeChecker();
    const source = this.#program.getSourceFile(entryFile(entry));
    const symbol = source && checker.getSymbolAtLocation(source);
    return symbol ? checker.getExportsOfModule(symbol) : [];
  }

  #target(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.#program.getTypeChecker().getAliasedSymbol(symbol) : symbol;
  }
}

export const entries = ['index', 'keyv', 'otel'] as const;

function entryFile(entry: string): string {
  return join(root, 'src', `${entry}.ts`);
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.es2024.string.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  experimentalDecorators: true,
  esModuleInterop: true,
  skipLibCheck: true,
  noEmit: true,
  types: ['node'],
  typeRoots: [join(root, 'node_modules', '@types')],
  paths: {
    'redis-tier': [entryFile('index')],
    'redis-tier/keyv': [entryFile('keyv')],
    'redis-tier/otel': [entryFile('otel')],
  },
};

/** A block as a module of its own. cache-manager 5 has another name among this project's packages. */
function module(code: string): string {
  const five = code.replace(/(import \{[^}]*\bcaching\b[^}]*\} from )'cache-manager'/, "$1'cache-manager5'");
  return `${five}\nexport {};\n`;
}

function isInternal(symbol: ts.Symbol): boolean {
  return symbol.getJsDocTags(undefined).some(({ name }) => name === 'internal');
}

/** Private, protected, by a `#name` or by a symbol. */
function isHidden(symbol: ts.Symbol): boolean {
  if (symbol.name.startsWith('__')) return true;
  const [declaration] = symbol.declarations ?? [];
  const flags = declaration ? ts.getCombinedModifierFlags(declaration) : 0;
  return (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0 || /^#|^\[/.test(symbol.name);
}
