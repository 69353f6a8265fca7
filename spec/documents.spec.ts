import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';

const root = join(__dirname, '..');
const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
const documents = ['README.md', 'CONTRIBUTING.md', 'examples/README.md', ...pages.map((name) => `docs/${name}`)];
const text = (document: string): string => readFileSync(join(root, document), 'utf8');

/** Pages of figures and reasons; the others are one for each concept. */
const aside = ['benchmark.md', 'decisions.md', 'performance.md', 'reliability.md'];

/** The anchors of a document, as GitHub makes them of its headings. */
function anchors(document: string): string[] {
  const headings = text(document)
    .replace(/^```.*?^```/gms, '')
    .matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

describe('documents', () => {
  it('link to what is there', () => {
    const dead = documents.flatMap((document) =>
      [...text(document).matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)/g)].flatMap(([link, path = '', anchor]) => {
        const target = path === '' ? document : join(dirname(document), path);
        if (!existsSync(join(root, target))) return [`${document}: ${link}`];
        return anchor === undefined || anchors(target).includes(anchor) ? [] : [`${document}: ${link}`];
      }),
    );
    expect(dead).to.deep.equal([]);
  });

  it('are all in the README', () => {
    const linked = [...text('README.md').matchAll(/\]\(docs\/([\w-]+\.md)[)#]/g)].map(([, name]) => name);
    expect(pages.filter((name) => !linked.includes(name))).to.deep.equal([]);
  });

  it('have a sequence diagram and an example to run for every concept', () => {
    const concepts = pages.filter((name) => !aside.includes(name));
    expect(concepts).to.include.members(['near-cache.md', 'tags.md', 'stale-while-revalidate.md']);
    for (const name of concepts) {
      expect(text(`docs/${name}`), name).to.match(/^```mermaid\n\s*sequenceDiagram$/m);
      expect(text(`docs/${name}`), name).to.match(/\]\(\.\.\/examples\/[\w-]+\.ts\)/);
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
});
