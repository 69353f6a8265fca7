import { expect } from 'chai';
import fc from 'fast-check';
import { isTagged, tagHeader, withTags } from '../../src/codec/tag-header.js';
import { redisStore } from '../../src/index.js';

describe('the header of an entry with tags', () => {
  it('is these bytes', () => {
    const stamps = new Map([
      ['', 'AAAAAAAAAAAAAAAA'],
      ['née \0', 'BBBBBBBBBBBBBBBB'],
    ]);
    const list = '["","AAAAAAAAAAAAAAAA","née \\u0000","BBBBBBBBBBBBBBBB"]';
    expect(withTags(stamps, '{"a":1}').toString('hex')).to.equal(
      `c17461677300${Buffer.from(list).toString('hex')}00${Buffer.from('{"a":1}').toString('hex')}`,
    );
    expect(withTags(new Map([['t', 'id']]), Buffer.from([0xc1, 0x00])).toString('hex')).to.equal(
      `c17461677300${Buffer.from('["t","id"]').toString('hex')}00c100`,
    );
  });

  it('gives back the tags and what stands behind them, whatever they are', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: 'binary' })), fc.uint8Array(), (tags, content) => {
        const stamps = new Map(tags.map((tag, i) => [tag, `id${i}`]));
        const stored = withTags(stamps, Buffer.from(content));
        expect(isTagged(stored)).to.equal(true);
        const header = tagHeader(stored);
        expect(header?.stamps).to.deep.equal(stamps);
        expect(stored.subarray(header?.length)).to.deep.equal(Buffer.from(content));
        expect(tagHeader(stored.subarray(0, (header?.length as number) - 1))).to.equal(undefined);
      }),
    );
  });

  it('is found in no other bytes, and never read where it is damaged', () => {
    for (const other of ['"text"', '', Buffer.alloc(0), Buffer.from('c17461', 'hex'), Buffer.from('c174616773312b677a697000', 'hex')]) {
      expect(isTagged(other)).to.equal(false);
    }
    for (const list of ['["t"]', '["t",1]', '{}', '[', '', '[["t","id"]]']) {
      const damaged = Buffer.concat([Buffer.from('c17461677300', 'hex'), Buffer.from(`${list}\0"v"`)]);
      expect(isTagged(damaged)).to.equal(true);
      expect(tagHeader(damaged), list).to.equal(undefined);
    }
  });

  it('has a name that no serializer may have', () => {
    expect(() => redisStore({ serializer: { ...JSON, name: 'tags' } as never })).to.throw('none of bytes, text, utf16, tags');
  });
});
