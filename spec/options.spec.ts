import { inspect } from 'node:util';
import { createClient } from '@redis/client';
import { expect } from 'chai';
import { OptionError, redisStore } from '../src/index.js';
import { createKeyv } from '../src/keyv.js';

describe('options', () => {
  const cases: [options: object, message: RegExp][] = [
    [{ locaton: 'x' }, /^unknown option `locaton`/],
    [{ Prefix: 'x' }, /^unknown option `Prefix`, did you mean `prefix`\?$/],
    [{ serializers: {} }, /did you mean `serializer`\?$/],
    [{ location: 'not a location' }, /^expected `location` to be 'host', 'host:port'.* got `"not a location"`$/],
    [{ location: 'host:99999' }, /^expected `location`/],
    [{ location: 'host:0' }, /^expected `location`/],
    [{ location: 'http://host' }, /^expected `location`/],
    [{ location: 'redis://user:hunter2@host/notanumber' }, /^expected `location`.*got `"redis:\/\/\*\*\*@host\/notanumber"`$/],
    [{ location: '' }, /^expected `location`/],
    [{ location: 6379 }, /^expected `location`.*got `6379`$/],
    [{ location: 'a', url: 'redis://b' }, /^expected `url` to be left out where `location` is given/],
    [{ client: {} }, /^expected `client` to be a client, cluster, sentinel or pool of node-redis 5 or later, got `an object`$/],
    [{ client: createClient(), database: 3 }, /^expected `database` to be left out where `client` says where the entries are$/],
    [{ client: createClient(), url: 'redis://u:hunter2@b' }, /^expected `url` to be left out where `client` says where the entries are$/],
    [
      { pool: { use() {}, close() {} }, password: 'hunter2' },
      /^expected `password` to be left out where `pool` says where the entries are$/,
    ],
    [{ client: createClient(), cluster: { rootNodes: [{}] } }, /^expected `cluster` to be left out where `client` says where/],
    [{ cluster: { rootNodes: [] } }, /^expected `cluster.rootNodes` to be a list of one node or more, got `an array`$/],
    [{ cluster: {} }, /^expected `cluster.rootNodes` to be a list of one node or more, got `undefined`$/],
    [{ cluster: { rootNodes: [{}], clientSideCache: {} } }, /^unknown option `cluster.clientSideCache`; here it takes rootNodes, defaults/],
    [
      { cluster: { rootNodes: [{ url: 'x:hunter2' }] } },
      /^expected `url` of each of `cluster.rootNodes` to be a redis:\/\/ or rediss:\/\/ URL$/,
    ],
    [{ cluster: { rootNodes: [{}], nodeAddressMap: 1 } }, /^expected `cluster.nodeAddressMap` to be an object or a function, got `1`$/],
    [{ cluster: { rootNodes: [{}] }, location: 'a' }, /^expected `location` to be left out where `cluster` says where the entries are$/],
    [{ cluster: { rootNodes: [{}] }, pool: { class: class {} } }, /^expected `pool` to be left out where `cluster` says where/],
    [{ cluster: { rootNodes: [{}] }, parser: 'auto' }, /^expected `parser` to be left out where `cluster` says where/],
    [{ cluster: { rootNodes: [{}] }, sentinel: {} }, /^expected `sentinel` to be left out where `cluster` says where/],
    [{ cluster: { rootNodes: [{}] }, socket: { host: 'a' } }, /^expected `socket.host` to be left out where `cluster` says where/],
    [{ cluster: { rootNodes: [{}] }, database: 1 }, /^expected `database` to be 0 or left out beside `cluster`/],
    [{ sentinel: { sentinelRootNodes: [{}] } }, /^expected `sentinel.name` to be the name of a primary, got `undefined`$/],
    [{ sentinel: { name: 'a' } }, /^expected `sentinel.sentinelRootNodes` to be a list of one node or more, got `undefined`$/],
    [
      { sentinel: { name: 'a', sentinelRootNodes: [{}], masterPoolSize: 3 } },
      /^unknown option `sentinel.masterPoolSize`; here it takes name/,
    ],
    [{ sentinel: { name: 'a', sentinelRootNodes: [{}] }, url: 'redis://b' }, /^expected `url` to be left out where `sentinel` says where/],
    [{ readFrom: 'replica' }, /^expected `readFrom` to be left out where neither `cluster` nor `sentinel` is given/],
    [{ readFrom: 'nearest' }, /^expected `readFrom` to be 'primary' or 'replica', got `"nearest"`$/],
    [{ location: 'redis://host', socket: { tls: true } }, /^expected `socket.tls` to be false, as the location says, got `true`$/],
    [{ database: -1 }, /^expected `database` to be an integer ≥ 0, got `-1`$/],
    [{ database: 1.5 }, /^expected `database`/],
    [{ timeout: 0 }, /^expected `timeout` to be a number of milliseconds > 0 and ≤ 2147483647, got `0`$/],
    [{ timeout: Number.POSITIVE_INFINITY }, /^expected `timeout`/],
    [{ ttl: -5 }, /^expected `ttl` to be a number of milliseconds ≥ 0, null, Infinity or a function, got `-5`$/],
    [{ ttl: '5s' }, /^expected `ttl`.*got `"5s"`$/],
    [{ ttlJitter: 2 }, /^expected `ttlJitter` to be a number from 0 to 1, got `2`$/],
    [{ maxTtl: 0 }, /^expected `maxTtl` to be a number of milliseconds > 0, got `0`$/],
    [{ prefix: 5 }, /^expected `prefix`/],
    [{ prefix: '\ud800' }, /^expected `prefix`/],
    [{ prefix: 'a', keyPrefix: 'b' }, /^expected `keyPrefix` to be the same as `prefix`/],
    [{ version: '' }, /^expected `version`/],
    [{ version: -1 }, /^expected `version`/],
    [{ onFailure: 'explode' }, /^expected `onFailure` to be 'miss' or 'throw', got `"explode"`$/],
    [{ isCacheable: true }, /^expected `isCacheable` to be a function, got `true`$/],
    [{ parseKey: (key: string) => key }, /^expected `parseKey` to be given together with `keyFunction`/],
    [{ max: 0, location: 'memory:' }, /^expected `max` to be an integer ≥ 1, got `0`$/],
    [{ serializer: {} }, /^expected `serializer` to be an object with stringify and parse/],
    [{ serializer: { ...JSON, stringify: JSON.stringify, parse: JSON.parse, name: 'no spaces' } }, /^expected `serializer.name`/],
    [{ serializer: { stringify: JSON.stringify, parse: JSON.parse, name: 'bytes' } }, /^expected `serializer.name`/],
    [{ compression: 'lzma' }, /^expected `compression` to be 'gzip', 'brotli', 'zstd' or an object/],
    [{ compression: { algorithm: 'gzip', threshold: -1 } }, /^expected `compression.threshold`/],
    [{ pool: {} }, /^expected `pool`/],
    [{ location: 'elsewhere', pool: { use() {}, close() {} } }, /^expected `location` to be left out where `pool` says where/],
  ];
  for (const [options, message] of cases) {
    it(`refuses ${inspect(options, { depth: 0 }).slice(0, 80)} (${message.source.slice(0, 40)}…) at construction, in words`, () => {
      for (const make of [redisStore, createKeyv]) {
        expect(() => make(options as never))
          .to.throw(OptionError, message)
          .with.property('code', 'ERR_OPTION');
      }
    });
  }

  it('never shows a password of a location it cannot understand', () => {
    for (const location of [
      'redis://user:hunter2@host/notanumber',
      'redis://user:hunter2@ho st',
      'rediss://:hunter2@:',
      'unix://u:hunter2@',
    ]) {
      expect(() => redisStore({ location }))
        .to.throw(OptionError)
        .with.property('message')
        .that.does.not.contain('hunter2');
    }
  });

  it('takes options that are there but undefined as left out', () => {
    const options = { location: undefined, prefix: undefined, ttl: undefined, pool: undefined, serializer: undefined, version: undefined };
    expect(() => redisStore(options)).not.to.throw();
  });
});
