import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect } from 'chai';

const src = join(__dirname, '..', 'src');
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const imports = files.flatMap((file): Import[] => {
  const text = readFileSync(join(src, file), 'utf8');
  return [...text.matchAll(/^(?:import|export)\s+(type\s+)?([^;]*?)from '([^']+)';/gms)].map(([, type, names, target]) => ({
    from: file.replace(/\.ts$/, ''),
    to: target?.startsWith('.') ? relative(src, join(src, dirname(file), target)).replace(/\.js$/, '') : `npm:${target}`,
    typeOnly: type !== undefined || /^\{(\s*type [^,}]+,?)+\s*\}\s*$/.test(names as string),
  }));
});

/** The floors of the house, top to bottom: a folder imports from its own floor and from those below. */
const floors = [
  ['index', 'keyv', 'otel', 'store'],
  ['compose'],
  ['options'],
  ['load', 'lock'],
  ['cache'],
  ['near'],
  ['commands'],
  ['connection'],
  ['codec', 'keys', 'time', 'telemetry'],
  ['errors', 'argument-errors', 'error-codes', 'ttl', 'checks', 'messages', 'unawaited'],
];

/** The folder of a file in `src/`, or the name of a file at its root. */
function roomOf(file: string): string {
  return file.split('/')[0] as string;
}

function floorOf(file: string): number {
  const floor = floors.findIndex((rooms) => rooms.includes(roomOf(file)));
  if (floor < 0) throw new Error(`src/${file}.ts is on no floor: say where it belongs`);
  return floor;
}

describe('imports', () => {
  const inner = imports.filter(({ to }) => files.includes(`${to}.ts`));

  it('are found at all', () => {
    expect(files.length).to.be.above(20);
    expect(inner.length).to.be.above(80);
  });

  it('are those of files with 250 lines at most', () => {
    const long = files.filter((file) => readFileSync(join(src, file), 'utf8').split('\n').length > 251);
    expect(long).to.deep.equal([]);
  });

  it('go down the house and never up', () => {
    const upward = inner.filter(({ from, to }) => floorOf(to) < floorOf(from));
    expect(upward.map(({ from, to }) => `${from} → ${to}`)).to.deep.equal([]);
  });

  it('make no circles, of types neither', () => {
    const targets = new Map<string, string[]>();
    for (const { from, to } of inner) targets.set(from, [...(targets.get(from) ?? []), to]);
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) throw new Error([...path, file].join(' → '));
      if (done.has(file)) return;
      for (const to of targets.get(file) ?? []) visit(to, [...path, file]);
      done.add(file);
    };
    for (const from of targets.keys()) visit(from, []);
  });

  it('take values from node-redis in connection/ only', () => {
    const elsewhere = imports.filter(({ from, to, typeOnly }) => to === 'npm:@redis/client' && !typeOnly && roomOf(from) !== 'connection');
    expect(elsewhere).to.deep.equal([]);
  });

  it('reach Keyv from createKeyv only, and cache-manager from nowhere', () => {
    expect(imports.filter(({ to, typeOnly }) => to === 'npm:keyv' && !typeOnly).map(({ from }) => from)).to.satisfy((from: string[]) =>
      from.every((file) => file === 'keyv/installed'),
    );
    expect(imports.filter(({ to }) => to.startsWith('npm:cache-manager'))).to.deep.equal([]);
  });

  it('reach OpenTelemetry from redis-tier/otel only, and nothing else loads that', () => {
    const from = imports.filter(({ to }) => to.startsWith('npm:@opentelemetry/')).map(({ from }) => from);
    expect([...new Set(from)]).to.deep.equal(['otel']);
    expect(imports.filter(({ to }) => to === 'otel')).to.deep.equal([]);
  });

  it('name no package that is not a dependency', () => {
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(src, '..', 'package.json'), 'utf8'));
    const known = Object.keys({ ...dependencies, ...peerDependencies });
    const packages = new Set(imports.map(({ to }) => to).filter((to) => to.startsWith('npm:') && !to.startsWith('npm:node:')));
    expect(known.map((name) => `npm:${name}`)).to.include.members([...packages]);
    expect(packages.size).to.be.above(2);
  });

  it('keep pure what is pure: no clock, no I/O', () => {
    for (const file of files.filter((each) =>
      ['codec', 'keys', 'errors', 'messages', 'ttl', 'checks'].includes(roomOf(each.replace(/\.ts$/, ''))),
    )) {
      const text = readFileSync(join(src, file), 'utf8');
      expect(text, file).not.to.match(/Date\.now|performance\.|setTimeout|setInterval|node:(net|fs|tls)/);
    }
  });

  it('take timers and the clock from time/clock.ts: the fake ones of a test would stop a deadline', () => {
    const names = ['performance', 'setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'];
    const ofTests = files.filter((file) => {
      if (file === 'otel.ts' || file === 'time/clock.ts') return false;
      const text = readFileSync(join(src, file), 'utf8');
      const taken = /import \{([^}]*)\} from '[./]*(?:time\/)?clock\.js'/.exec(text)?.[1] ?? '';
      return names.some((name) => new RegExp(`(?<![\\w.#])${name}[.(]`).test(text) && !new RegExp(`\\b${name}\\b`).test(taken));
    });
    expect(ofTests).to.deep.equal([]);
  });
});
