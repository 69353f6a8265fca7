import { expect } from 'chai';
import fc from 'fast-check';
import { entryHeader, type Stored, StoredEntry, type TagGenerations, withHeader } from '../../src/codec/entry.js';
import { redisStore } from '../../src/index.js';

const withTags = (tags: TagGenerations, payload: Stored): Buffer => withHeader(entryHeader(undefined, tags), payload) as Buffer;

describe('the header of an entry with tags', () => {
  it('is these bytes', () => {
    const tagGenerations = new Map([
      ['', 'AAAAAAAAAAAAAAAA'],
      ['née \0', 'BBBBBBBBBBBBBBBB'],
    ]);
    const list = '["","AAAAAAAAAAAAAAAA","née \\u0000","BBBBBBBBBBBBBBBB"]';
    expect(withTags(tagGenerations, '{"a":1}').toString('hex')).to.equal(
      `c17461677300${Buffer.from(list).toString('hex')}00${Buffer.from('{"a":1}').toString('hex')}`,
    );
    expect(withTags(new Map([['t', 'id']]), Buffer.from([0xc1, 0x00])).toString('hex')).to.equal(
      `c17461677300${Buffer.from('["t","id"]').toString('hex')}00c100`,
    );
  });

  it('gives back the tags and what stands behind them, whatever they are', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: 'binary' })), fc.uint8Array(), (tags, content) => {
        const tagGenerations = new Map(tags.map((tag, i) => [tag, `id${i}`]));
        const stored = withTags(tagGenerations, Buffer.from(content));
        const entry = StoredEntry.parse(stored);
        expect(entry.isTagged).to.equal(true);
        expect(entry.tags).to.deep.equal(tagGenerations);
        expect(entry.payload).to.deep.equal(Buffer.from(content));
        expect(StoredEntry.parse(stored.subarray(0, (entry.header?.length ?? 0) - 1)).tags).to.equal(undefined);
      }),
    );
  });

  it('is found in no other bytes, and never read where it is damaged', () => {
    for (const other of ['"text"', '', Buffer.alloc(0), Buffer.from('c17461', 'hex'), Buffer.from('c174616773312b677a697000', 'hex')]) {
      expect(StoredEntry.parse(other).isTagged).to.equal(false);
    }
    for (const list of ['["t"]', '["t",1]', '{}', '[', '', '[["t","id"]]']) {
      const damaged = Buffer.concat([Buffer.from('c17461677300', 'hex'), Buffer.from(`${list}\0"v"`)]);
      expect(StoredEntry.parse(damaged).isTagged).to.equal(true);
      expect(StoredEntry.parse(damaged).tags, list).to.equal(undefined);
    }
  });

  it('has a name that no serializer may have', () => {
    expect(() => redisStore({ serializer: { ...JSON, name: 'tags' } as never })).to.throw('not bytes, text, utf16, tags');
  });
});
