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

/** The floors of the house, top to bottom: a floor knows only itself and the floors below. */
const floors = ['faces', 'root', 'cache', 'commands', 'connection', 'pure', 'leaf'] as const;
type Floor = (typeof floors)[number];

function floorOf(file: string): Floor {
  if (/^(index|keyv|otel|store|calls|coherent-memory)$|^keyv\//.test(file)) return 'faces';
  if (/^(create|options|link)$|^settings\//.test(file)) return 'root';
  if (/^(reads|cache|scope|failure|events)$|^extras\/|^telemetry\/(loads|observed|stats|traced|tracing)$/.test(file)) return 'cache';
  if (/^(commands|near)\//.test(file)) return 'commands';
  if (file.startsWith('connection/')) return 'connection';
  if (/^(keys|codec)\/|^ttl$|^telemetry\/(counters|sizes)$/.test(file)) return 'pure';
  if (/^(errors|discretion|unawaited|known-names|call-options|similar)$/.test(file)) return 'leaf';
  throw new Error(`src/${file}.ts is on no floor: say where it belongs`);
}

describe('imports', () => {
  const inner = imports.filter(({ to }) => files.includes(`${to}.ts`));

  it('are found at all', () => {
    expect(files.length).to.be.above(20);
    expect(inner.length).to.be.above(80);
  });

  it('go down the house and never up', () => {
    const upward = inner.filter(({ from, to }) => floors.indexOf(floorOf(to)) < floors.indexOf(floorOf(from)));
    expect(upward.map(({ from, to }) => `${from} → ${to}`)).to.deep.equal([]);
  });

  it('make no circles, types aside', () => {
    const edges = inner.filter(({ typeOnly }) => !typeOnly);
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) throw new Error([...path, file].join(' → '));
      for (const { to } of edges.filter(({ from }) => from === file)) visit(to, [...path, file]);
    };
    for (const { from } of edges) visit(from, []);
  });

  it('take values from node-redis in src/connection only', () => {
    const elsewhere = imports.filter(({ from, to, typeOnly }) => to === 'npm:@redis/client' && !typeOnly && floorOf(from) !== 'connection');
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
    for (const file of files.filter((each) => ['pure', 'leaf'].includes(floorOf(each.replace(/\.ts$/, ''))))) {
      const text = readFileSync(join(src, file), 'utf8');
      expect(text, file).not.to.match(/Date\.now|performance\.|setTimeout|setInterval|node:(net|fs|tls)/);
    }
  });
});
