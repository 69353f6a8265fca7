import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import ts from 'typescript';

const root = join(__dirname, '..');

function filesIn(folder: string, extension: RegExp): string[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return files.filter((file) => extension.test(file)).map((file) => join(folder, file));
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const parse = (file: string): ts.SourceFile => ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
const sources = filesIn('src', /\.m?ts$/).map(parse);

function* nodesOf(node: ts.Node): Generator<ts.Node> {
  yield node;
  for (const child of node.getChildren()) yield* nodesOf(child);
}

function placeOf(file: ts.SourceFile, position: number): string {
  return `${file.fileName}:${file.getLineAndCharacterOfPosition(position).line + 1}`;
}

/** Words of our own that have a standard term. Not `rest`, `hard` and `soft` of variables, which are common, and not `sweep`, a documented method. */
const ownNames = new Set(
  `wire wires wireKey beside Aside isAside aside Ears tell hearing Returns Owed Maker Making MakingFailed Allowance sample covers debt
  Lent Silence patience told saw sawReads verbs within discretion reworded refusal notConnected switches mend amiss news given GivenClient
  Kept bury keepable Standing Seen Outcome Basis Word costed heads sweepHeads drop delEach discard remove removeEach concern living
  ifAlive exact ahead stamps sealed Gathering Together divide apart inOneTime answeredWithin settledWithin GoOn carry replaying Link
  Composition longest most again late grain every`.split(/\s+/),
);
const ownMembers = new Set(['soft', 'hard', 'rest', 'timed']);

function isDeclaration(node: ts.Node): node is ts.NamedDeclaration {
  return (
    ts.isVariableDeclaration(node) ||
    ts.isParameter(node) ||
    ts.isBindingElement(node) ||
    ts.isFunctionLike(node) ||
    ts.isClassLike(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    isMember(node)
  );
}

function isMember(node: ts.Node): boolean {
  return ts.isPropertyDeclaration(node) || ts.isPropertySignature(node) || ts.isMethodSignature(node) || ts.isMethodDeclaration(node);
}

function wordsOfOurOwn(file: ts.SourceFile): string[] {
  const found: string[] = [];
  for (const node of nodesOf(file)) {
    const name = isDeclaration(node) ? node.name : undefined;
    if (!name || !(ts.isIdentifier(name) || ts.isPrivateIdentifier(name))) continue;
    const text = name.text.replace(/^#/, '');
    const isOurs = ownNames.has(text) || (isMember(node) && ownMembers.has(text)) || (/.Parts$/.test(text) && text !== 'StoreParts');
    if (isOurs) found.push(`${placeOf(file, name.getStart())} ${text}`);
  }
  return found;
}

/** Phrases that hide the actor, or are no modern English. */
const phrases = /\b(?:who|whoever|whom|nobody|somebody|shall|no more can|at the most)\b/i;

function phrasesIn(file: string, text: string, firstLine = 1): string[] {
  return text.split('\n').flatMap((line, i) => {
    const phrase = phrases.exec(line)?.[0];
    return phrase === undefined ? [] : [`${file}:${firstLine + i} ${phrase}`];
  });
}

function commentsOf(file: ts.SourceFile): string[] {
  const starts = new Set<number>();
  const found: string[] = [];
  for (const node of nodesOf(file)) {
    const leading = ts.getLeadingCommentRanges(file.text, node.getFullStart()) ?? [];
    for (const { pos, end } of [...leading, ...(ts.getTrailingCommentRanges(file.text, node.end) ?? [])]) {
      if (starts.has(pos)) continue;
      starts.add(pos);
      found.push(...phrasesIn(file.fileName, file.text.slice(pos, end), file.getLineAndCharacterOfPosition(pos).line + 1));
    }
  }
  return found;
}

function titlesOf(file: ts.SourceFile): string[] {
  const found: string[] = [];
  for (const node of nodesOf(file)) {
    if (!ts.isCallExpression(node)) continue;
    const [title] = node.arguments;
    const name = node.expression.getText().split('.')[0] as string;
    if (!title || !['it', 'describe', 'context'].includes(name) || !(ts.isStringLiteralLike(title) || ts.isTemplateExpression(title)))
      continue;
    if (phrases.test(title.getText())) found.push(`${placeOf(file, title.getStart())} ${title.getText()}`);
  }
  return found;
}

describe('words', () => {
  it('of the field name things in src, and no words of our own', () => {
    expect(sources.flatMap(wordsOfOurOwn)).to.deep.equal([]);
  });

  it('of comments in src are plain English that names the actor', () => {
    expect(sources.flatMap(commentsOf)).to.deep.equal([]);
  });

  it('of spec titles are plain English that names the actor', () => {
    expect(filesIn('spec', /\.ts$/).map(parse).flatMap(titlesOf)).to.deep.equal([]);
  });

  it('of documents and examples are plain English that names the actor', () => {
    const documents = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', ...filesIn('docs', /\.md$/), ...filesIn('examples', /\.(?:ts|md)$/)];
    expect(documents.flatMap((file) => phrasesIn(file, read(file)))).to.deep.equal([]);
  });
});
