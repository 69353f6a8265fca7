import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { anchors, DocumentProgram, documents, entries, manual, pages, root, rows, section, text } from './support/documents.js';

/** Pages of figures and reasons, and those to look things up in; the others are one for each concept. */
const reference = [
  'README',
  'api',
  'architecture',
  'benchmark',
  'decisions',
  'managed-services',
  'operations',
  'options',
  'performance',
  'recipes',
  'reliability',
  'scale',
  'testing',
];

/** The tables of docs/options.md, by what stands in front of a name, and the types that they have to say all about. */
const described: Readonly<Record<string, readonly string[]>> = {
  '': ['StoreOptions', 'CreateKeyvOptions', 'KeyvRedisOptions'],
  breaker: ['BreakerOptions'],
  near: ['NearOptions'],
  offline: ['OfflineOptions'],
  batch: ['BatchOptions'],
  cluster: ['StoreOptions.cluster'],
  sentinel: ['StoreOptions.sentinel'],
  compression: ['CompressionOptions'],
  encryption: ['EncryptionOptions'],
  'encryption.keys': ['EncryptionKey'],
  pool: ['RoundRobinOptions', 'BlockingOptions'],
  set: ['WriteOptions'],
  incr: ['CounterOptions'],
  getOrSet: ['GetOrSetOptions'],
  lock: ['LockOptions'],
  clear: ['ClearOptions'],
  reencode: ['ReencodeOptions'],
  with: ['CallOptions'],
  stats: ['StatsOptions'],
  instrument: ['InstrumentOptions'],
};

describe('documents', () => {
  let program: DocumentProgram;
  before(function () {
    this.timeout(60_000);
    program = new DocumentProgram();
  });

  it('link to pages, files and anchors that exist', () => {
    const dead = documents.flatMap((document) =>
      [...text(document).matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)/g)].flatMap(([link, path = '', anchor]) => {
        const target = path === '' ? document : join(dirname(document), path);
        if (!existsSync(join(root, target))) return [`${document}: ${link}`];
        return anchor === undefined || anchors(target).includes(anchor) ? [] : [`${document}: ${link}`];
      }),
    );
    expect(dead).to.deep.equal([]);
  });

  it('have every class and code of an error in the table', () => {
    const names = readFileSync(join(root, 'src/errors.ts'), 'utf8').matchAll(/(?<=class (?!CacheError))\w+|ERR_\w+/g);
    const table = text('docs/failure.md');
    expect([...names].map(([name]) => name).filter((name) => !table.includes(`\`${name}\``))).to.deep.equal([]);
  });

  it('are all in the index', () => {
    const linked = [...text('docs/README.md').matchAll(/\]\(([\w/-]+\.md)[)#]/g)].map(([, name]) => `docs/${name}`);
    expect(pages.filter((name) => name !== 'docs/README.md' && !linked.includes(name))).to.deep.equal([]);
  });

  it('have a sequence diagram and an example to run for every concept', () => {
    const concepts = pages.filter((name) => !reference.some((each) => name === `docs/${each}.md`) && dirname(name) === 'docs');
    expect(concepts).to.include.members(['docs/near-cache.md', 'docs/tags.md', 'docs/stale-while-revalidate.md']);
    for (const name of concepts) {
      expect(text(name), name).to.match(/^```mermaid\n\s*sequenceDiagram$/m);
      expect(text(name), name).to.match(/\]\(\.\.\/examples\/[\w-]+\.ts\)/);
    }
  });

  it('write `#` and `;` in a diagram as mermaid has it, which takes them for a comment and for an end', () => {
    const taken = documents.flatMap((document) =>
      [...text(document).matchAll(/^```mermaid\n(.*?)^```/gms)].flatMap(([, diagram]) =>
        (diagram as string).split('\n').filter((line) => /[#;]/.test(line.replace(/#\d+;/g, ''))),
      ),
    );
    expect(taken).to.deep.equal([]);
  });

  it('have code blocks that compile under strict types', function () {
    this.timeout(60_000);
    expect(program.errors()).to.deep.equal([]);
  });

  it('describe every option, and none that does not exist', () => {
    const inCode = Object.entries(described).flatMap(([group, types]) =>
      types.flatMap((type) => program.members(type)).map((name) => (group === '' ? name : `${group}.${name}`)),
    );
    // The class of a pool is part of the contract of every pool; these are refused, and say so below their table.
    const known = new Set([...inCode.filter((name) => !['clientSideCache', 'emitInvalidate'].includes(name)), 'pool.class']);
    const listed = rows('docs/options.md');
    expect(
      listed.filter((name, i) => listed.indexOf(name) !== i),
      'twice',
    ).to.deep.equal([]);
    expect(
      [...known].filter((name) => !listed.includes(name)),
      'not described',
    ).to.deep.equal([]);
    expect(
      listed.filter((name) => !known.has(name)),
      'not in the code',
    ).to.deep.equal([]);
  });

  it('name every export', () => {
    const page = text('docs/api.md');
    const missing = entries.flatMap((entry) => program.exported(entry).filter((name) => !new RegExp(`\\b${name}\\b`).test(page)));
    expect(missing).to.deep.equal([]);
  });

  it('have a section for every method of a store with its parameters, a row for every property, and no others', () => {
    const methods = [...section('docs/api.md', 'Methods').matchAll(/^### (.+)$/gm)].map(([, heading]) => heading as string);
    expect([...methods].sort()).to.deep.equal(program.methods('RedisStore').sort());
    const properties = [...section('docs/api.md', 'Properties').matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name as string);
    const others = program.members('RedisStore').filter((name) => !methods.some((method) => method.startsWith(`${name}(`)));
    expect([...properties].sort()).to.deep.equal(others.sort());
  });

  it('name files and functions of the source that exist', () => {
    const unknown = ['docs/architecture.md', 'CONTRIBUTING.md'].flatMap((document) =>
      text(document)
        .split('\n')
        .filter((line) => line.startsWith('| '))
        .flatMap((line) => placesIn(line).filter(({ name, files }) => !isIn(name, files)))
        .map(({ name, files }) => `${document}: ${name} of ${files.join(', ')}`),
    );
    expect(unknown).to.deep.equal([]);
    expect(placesIn('| a | `near/entry.ts`: `weight` |')).to.deep.include({ name: 'weight', files: ['near/entry.ts'] });
    expect(isIn('heft', ['near/entry.ts'])).to.equal(false);
    expect(isIn('weight', ['near/entries.ts'])).to.equal(false);
  });

  it('name every file of the source in the rooms of the house', () => {
    const rooms = text('docs/architecture.md');
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => /\.m?ts$/.test(file));
    expect(sources).to.include('near/entry.ts');
    expect(sources.filter((file) => file.includes('/') && !rooms.includes(`\`${file}\``))).to.deep.equal([]);
  });

  it('have a row for every error code, and name no other', () => {
    const codes = program.union('ErrorCode');
    const listed = [...text('docs/api.md').matchAll(/^\| `\w+` \| `(ERR_\w+)`/gm)].map(([, code]) => code as string);
    expect([...listed].sort()).to.deep.equal([...codes].sort());
    const named = manual.flatMap((name) => text(name).match(/\bERR_[A-Z_]+\b/g) ?? []);
    expect([...new Set(named)].filter((code) => !codes.includes(code))).to.deep.equal([]);
  });

  it('begin with a README of at most 180 lines', () => {
    expect(text('README.md').trimEnd().split('\n').length).to.be.at.most(180);
  });

  it('take the figures of the README from the data', async () => {
    const { results } = data('benchmark');
    const { loads, pairs, range } = await load<Charts>('charts.mjs');
    const table = /^\| times as fast as .*?\n\n/ms.exec(text('README.md'))?.[0] ?? '';
    const works = ['get', 'set'].flatMap((work) => loads.map((inFlight) => pairs(results, work, inFlight)));
    const cells = table.match(/[\d.]+× \([\d.]+–[\d.]+\)/g) ?? [];
    const computed = (works[0] as Pairs).flatMap((_, i) => works.map((work) => range((work[i] as Pairs[number]).ratio)));
    expect(cells).to.deep.equal(computed);
  });

  it('take what the README says of faults from the data', () => {
    const { about, results } = data('reliability');
    const ours = results.filter(({ title }) => title.startsWith('redis-tier'));
    const frozen = results.filter(({ fault, topology }) => fault === 'freeze' && topology === 'server');
    const longest = Math.max(...frozen.filter((each) => ours.includes(each)).map(({ under }) => under?.max ?? Number.POSITIVE_INFINITY));
    expect(text('README.md')).to.include(`our longest call took ${(longest / 1000).toFixed(1)} s`);
    for (const { title, under } of frozen.filter((each) => !ours.includes(each))) expect(under?.max, title).to.equal(null);
    expect(text('README.md')).to.match(new RegExp(`still hung\\s+after ${about.cap / 1000} s`));
    const faults = new Set(ours.map(({ fault, topology }) => `${topology} ${fault}`)).size;
    expect(text('README.md')).to.match(new RegExp(`\\bunder ${faults} faults\\b`));
  });

  it('take the tables of the benchmark, of the faults and of the evictions from the data', async () => {
    const found = data('benchmark');
    const { report } = await load<Report>('report.mjs');
    const limit = found.results.find(({ title }) => title.startsWith('limit'))?.title ?? '';
    expect(text('docs/benchmark.md')).to.equal(report({ ...found, limit }).markdown);
    const { withSummaries } = await load<{ withSummaries(page: string, results: unknown): string }>('summary.mjs');
    const page = text('docs/performance.md');
    expect(withSummaries(page, found.results)).to.equal(page);
    expect(page).to.match(/^\| mget of 100, 32 in flight \| [\d.]+ \(/m);
    const { tables } = await load<{ tables(found: Results): string }>('faults/report.mjs');
    expect(text('docs/reliability.md')).to.include(tables(data('reliability')).trim());
    const evictions = await load<Tables>('eviction/report.mjs');
    for (const { page, markdown } of evictions.tables(data('eviction'))) expect(text(`docs/${page}.md`), page).to.include(markdown);
  });

  it('take the tables and charts of the page on scale from the data', async () => {
    const { report } = await load<{ report(results: unknown): ScaleReport }>('scale/report.mjs');
    const { texts, charts } = report(data('scale'));
    for (const [name, words] of Object.entries(texts))
      expect(text('docs/scale.md'), name).to.include(`<!-- ${name} -->\n\n${words.trim()}\n\n<!-- /${name} -->`);
    for (const [name, svg] of Object.entries(charts)) {
      expect(readFileSync(join(root, `docs/scale-${name}.svg`), 'utf8'), name).to.equal(svg);
      expect(Number(/width="(\d+)"/.exec(svg)?.[1]), name).to.be.at.most(700);
      expect(text('docs/scale.md')).to.include(`](scale-${name}.svg)`);
    }
  });

  it('draw charts from the data, for light and dark pages; those of the README are no wider than it is', async () => {
    const { charts } = await load<Charts>('charts.mjs');
    for (const [name, svg] of Object.entries(charts(data('benchmark').results))) {
      expect(readFileSync(join(root, `docs/benchmark-${name}.svg`), 'utf8'), name).to.equal(svg);
      expect(Number(/width="(\d+)"/.exec(svg)?.[1]), name).to.be.at.most(700);
      expect(svg, name).to.include('prefers-color-scheme: dark');
      expect(text('README.md')).to.include(`](docs/benchmark-${name}.svg)`);
    }
    const { chart } = await load<{ chart(found: Results): string }>('faults/chart.mjs');
    expect(readFileSync(join(root, 'docs/reliability.svg'), 'utf8')).to.equal(chart(data('reliability')));
  });
});

/** The names of the source in a row of a table that names files, with those files. The first column has none. */
function placesIn(row: string): { readonly name: string; readonly files: readonly string[] }[] {
  const cells = row.split('|').slice(2).join('|');
  const spans = [...cells.matchAll(/`([^`]+)`/g)].map(([, span]) => span as string);
  const files = spans.filter((span) => /^[\w/-]+\.ts$/.test(span));
  const names = spans.filter((span) => /^[A-Za-z]+(?:\.(?!ts$|json$)[A-Za-z]+)?$/.test(span));
  return files.length === 0 ? [] : [...files.map((file) => ({ name: '', files: [file] })), ...names.map((name) => ({ name, files }))];
}

/** Whether the files exist, and one of them has all parts of the name. */
function isIn(name: string, files: readonly string[]): boolean {
  const paths = files.map((file) => join(root, file.startsWith('spec/') ? '' : 'src', file));
  if (!paths.every(existsSync)) return false;
  const words = name.split('.').map((word) => new RegExp(`\\b${word}\\b`));
  return name === '' || paths.some((path) => words.every((word) => word.test(readFileSync(path, 'utf8'))));
}

type Pairs = readonly { readonly ratio: object }[];

/** bench/charts.mjs */
interface Charts {
  readonly loads: readonly number[];
  pairs(results: unknown, work: string, inFlight: number): Pairs;
  range(ratio: object): string;
  charts(results: unknown): Record<string, string>;
}

interface Report {
  report(found: Results & { readonly limit: string }): { readonly markdown: string };
}

/** bench/eviction/report.mjs */
interface Tables {
  tables(found: unknown): readonly { readonly page: string; readonly markdown: string }[];
}

/** bench/scale/report.mjs */
interface ScaleReport {
  readonly texts: Record<string, string>;
  readonly charts: Record<string, string>;
}

interface Results {
  readonly about: { readonly cap: number };
  readonly results: readonly {
    readonly title: string;
    readonly fault: string;
    readonly topology: string;
    readonly under?: { readonly max: number | null };
  }[];
}

function data(name: string): Results {
  return JSON.parse(readFileSync(join(root, `bench/results/${name}.json`), 'utf8')) as Results;
}

/** A module of the benchmark: an ES module, which this compiler would make a `require` of. */
function load<Module>(path: string): Promise<Module> {
  return new Function('path', 'return import(path)')(join(root, 'bench', path)) as Promise<Module>;
}
