import { inspect } from 'node:util';
import { createClient } from '@redis/client';
import { expect } from 'chai';
import {
  type ConnectionOptions,
  createPool,
  nullStore,
  OptionError,
  redisStore,
  SharedConnection,
  type StoreOptions,
  zstdCompressor,
} from '../../src/index.js';
import { createKeyv, KeyvRedisStore } from '../../src/keyv.js';
import { closing } from '../support/open.js';

describe('options', () => {
  const cases: [options: object, message: RegExp][] = [
    [{ locaton: 'x' }, /^unknown option `locaton`/],
    [{ Prefix: 'x' }, /^unknown option `Prefix`, did you mean `prefix`\?$/],
    [{ serializers: {} }, /did you mean `serializer`\?$/],
    [{ location: 'not a location' }, /^expected `location` to be 'host', 'host:port'.* got `a string of 14 characters`$/],
    [{ location: 'host:99999' }, /^expected `location`/],
    [{ location: 'host:0' }, /^expected `location`/],
    [{ location: 'redis://h\n\n' }, /^expected `location` to have no/],
    [{ location: 'http://host' }, /^expected `location`/],
    [{ location: 'redis://user:hunter2@host/notanumber' }, /^expected `location`.*got `a string of 36 characters`$/],
    [{ location: '' }, /^expected `location`/],
    [{ location: 6379 }, /^expected `location`.*got `6379`$/],
    [{ location: 'a', url: 'redis://b' }, /^expected `url` to be left out beside `location`/],
    [{ client: {} }, /^expected `client` to be a client, cluster, sentinel or pool of node-redis 5 or later, got `an object`$/],
    [{ client: createClient(), database: 3 }, /^expected `database` to be left out beside `client`, which names the server$/],
    [{ client: createClient(), url: 'redis://u:hunter2@b' }, /^expected `url` to be left out beside `client`, which names the server$/],
    [{ pool: { use() {}, close() {} }, password: 'hunter2' }, /^expected `password` to be left out beside `pool`, which names the server$/],
    [
      { client: createClient(), maxPendingBytes: 5 },
      /^expected `maxPendingBytes` to be left out beside `client`, which has a queue of its own$/,
    ],
    [
      { pool: { use() {}, close() {} }, maxPendingBytes: 5 },
      /^expected `maxPendingBytes` to be left out beside `pool`: `createPool` takes it$/,
    ],
    [{ client: createClient(), cluster: { rootNodes: [{}] } }, /^expected `cluster` to be left out beside `client`/],
    [{ cluster: { rootNodes: [] } }, /^expected `cluster.rootNodes` to be a list of one node or more, got `an array`$/],
    [{ cluster: {} }, /^expected `cluster.rootNodes` to be a list of one node or more, got `undefined`$/],
    [{ cluster: { rootNodes: [{}], clientSideCache: {} } }, /^unknown option `cluster.clientSideCache`; it takes rootNodes, defaults/],
    [{ cluster: { rootNodes: [{ url: 'x:hunter2' }] } }, /^expected `cluster.rootNodes\[0\].url` to be a redis:\/\/ or rediss:\/\/ URL$/],
    [{ cluster: { rootNodes: [{}], nodeAddressMap: 1 } }, /^expected `cluster.nodeAddressMap` to be an object or a function, got `1`$/],
    [{ cluster: { rootNodes: [{}] }, location: 'a' }, /^expected `location` to be left out beside `cluster`, which names the server$/],
    [{ cluster: { rootNodes: [{}] }, pool: { class: class {} } }, /^expected `pool` to be left out beside `cluster`/],
    [{ cluster: { rootNodes: [{}] }, parser: 'auto' }, /^expected `parser` to be left out beside `cluster`/],
    [{ cluster: { rootNodes: [{}] }, sentinel: {} }, /^expected `sentinel` to be left out beside `cluster`/],
    [{ cluster: { rootNodes: [{}] }, socket: { host: 'a' } }, /^expected `socket.host` to be left out beside `cluster`/],
    [{ cluster: { rootNodes: [{}] }, database: 1 }, /^expected `database` to be 0 or left out beside `cluster`/],
    [{ sentinel: { sentinelRootNodes: [{}] } }, /^expected `sentinel.name` to be the name of a primary, got `undefined`$/],
    [{ sentinel: { name: 'a' } }, /^expected `sentinel.sentinelRootNodes` to be a list of one node or more, got `undefined`$/],
    [{ sentinel: { name: 'a', sentinelRootNodes: [{}], masterPoolSize: 3 } }, /^unknown option `sentinel.masterPoolSize`; it takes name/],
    [{ sentinel: { name: 'a', sentinelRootNodes: [{}] }, url: 'redis://b' }, /^expected `url` to be left out beside `sentinel`/],
    [{ readFrom: 'replica' }, /^expected `readFrom` to be 'primary' or left out without/],
    [{ readFrom: 'nearest' }, /^expected `readFrom` to be 'primary' or 'replica', got `"nearest"`$/],
    [{ location: 'redis://host', socket: { tls: true } }, /^expected `socket.tls` to be false, as `location` says$/],
    [{ database: -1 }, /^expected `database` to be an integer ≥ 0, got `-1`$/],
    [{ database: 1.5 }, /^expected `database`/],
    [{ timeout: 0 }, /^expected `timeout` to be a number of milliseconds > 0 and ≤ 2147483647, got `0`$/],
    [{ timeout: Number.POSITIVE_INFINITY }, /^expected `timeout`/],
    [{ ttl: -5 }, /^expected `ttl` to be a number of milliseconds ≥ 0, text such as '90s', null, Infinity or a function, got `-5`$/],
    [{ ttl: '5 s' }, /^expected `ttl`.*got `a string of 3 characters`$/],
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
    [{ pool: { use() {} } }, /^expected `pool`/],
    [{ location: 'redis://h/1', database: 2 }, /^expected `database` to be left out, or as the location says$/],
    [{ location: 'redis://u:hunter2@h', password: 'hunter3' }, /^expected `password` to be left out, or as the location says$/],
    [{ url: 'redis://u@h', username: 'v' }, /^expected `username` to be left out, or as the location says$/],
    [{ location: 'h', socket: { port: 7000 } }, /^expected `socket.port` to be left out, or as the location says$/],
    [{ location: 'h:1', socket: { host: 'other' } }, /^expected `socket.host` to be left out, or as the location says$/],
    [{ location: '/run/redis.sock', socket: { host: 'h' } }, /^expected `socket.host` to be left out, or as the location says$/],
    [{ location: 'h', socket: { path: '/run/redis.sock' } }, /^expected `socket.path` to be left out, or as the location says$/],
    [
      { breaker: { treshold: 5, cooldwon: 9 } },
      /^unknown options `breaker.treshold`, `breaker.cooldwon`; it takes threshold, cooldown, max/,
    ],
    [{ batch: { size: 5 } }, /^unknown option `batch.size`; it takes max$/],
    [{ near: { size: 5, freze: true } }, /^unknown options `near.size`, `near.freze`; it takes max, maxBytes, ttl, freeze, maxStaleness$/],
    [{ compression: { algorithm: 'gzip', treshold: 5 } }, /^unknown option `compression.treshold`; it takes algorithm, threshold$/],
    [{ compression: 'constructor' }, /^expected `compression` to be 'gzip'/],
    [{ encryption: { key: 'hunter2' } }, /^unknown option `encryption.key`; it takes keys, acceptPlaintext, context$/],
    [{ encryption: { keys: [{ id: 'a', secret: 'hunter2' }] } }, /^unknown option `encryption.keys\[0\].secret`; it takes id, key$/],
    [{ pool: { class: SharedConnection, size: 2 } }, /^unknown option `pool.size`; it takes no options$/],
    [{ cluster: { rootNodes: [{ host: 'a' }] } }, /^unknown option `cluster.rootNodes\[0\].host`; it takes RESP/],
    [{ cluster: { rootNodes: ['redis://:hunter2@a'] } }, /^expected `cluster.rootNodes\[0\]` to be an object$/],
    [{ cluster: { rootNodes: [{}], minimizeConnections: true } }, /^unknown option `cluster.minimizeConnections`/],
    [{ cluster: { rootNodes: [{}], maxCommandRedirections: '3' } }, /^expected `cluster.maxCommandRedirections` to be an integer ≥ 0, got/],
    [{ cluster: { rootNodes: [{}], useReplicas: 1 } }, /^expected `cluster.useReplicas` to be a boolean, got `1`$/],
    [
      { cluster: { rootNodes: [{}], defaults: { clientSideCache: {} } } },
      /^expected `cluster.defaults.clientSideCache` to be left out: the option `near` keeps entries in this process$/,
    ],
    [{ cluster: { rootNodes: [{}], defaults: { password: 5 } } }, /^expected `cluster.defaults.password` to be a string, got a number$/],
    [{ sentinel: { name: 'a', sentinelRootNodes: [{}], scanInterval: '5' } }, /^expected `sentinel.scanInterval` to be a number of/],
    [
      { sentinel: { name: 'a', sentinelRootNodes: [{ hots: 'b' }] } },
      /^unknown option `sentinel.sentinelRootNodes\[0\].hots`; it takes host, port$/,
    ],
    [
      { sentinel: { name: 'a', sentinelRootNodes: [{}], nodeClientOptions: { tls: true } } },
      /^unknown option `sentinel.nodeClientOptions.tls`/,
    ],
    [{ socket: { lookup: 'dns' } }, /^expected `socket.lookup` to be a function/],
    [{ socket: { tsl: true } }, /^unknown option `socket.tsl`, did you mean `socket.tls`\?$/],
    [{ socket: { rejectUnauthorised: false } }, /^unknown option `socket.rejectUnauthorised`, did you mean `socket.rejectUnauthorized`\?$/],
    [
      { socket: { tls: {} } },
      /^expected `socket.tls` to be true or false, with its options, such as `ca`, beside it in `socket`, got `an object`$/,
    ],
    [{ socket: { port: 'x' } }, /^expected `socket.port` to be an integer from 1 to 65535, got `a string of 1 character`$/],
    [{ socket: { port: 0 } }, /^expected `socket.port`/],
    [{ socket: { host: 5 } }, /^expected `socket.host` to be a host name or an IP address, got `5`$/],
    [{ socket: { connectTimeout: '5s' } }, /^expected `socket.connectTimeout` to be a number of milliseconds/],
    [{ socket: { reconnectStrategy: true } }, /^expected `socket.reconnectStrategy` to be false, a number of/],
    [{ cluster: { rootNodes: [{ socket: { tls: 'yes' } }] } }, /^expected `cluster.rootNodes\[0\].socket.tls` to be true or false/],
    [{ serializer: [] }, /^expected `serializer` to be a serializer, or an array of one or more, got `an array`$/],
    [{ serializer: { name: 5, stringify: JSON.stringify, parse: JSON.parse } }, /^expected `serializer.name`.*got `5`$/],
    [{ serializer: { stringify: 'x', parse: JSON.parse } }, /^expected `serializer` to be an object with stringify and parse/],

    [{ max: 5 }, /^expected `max` to be left out without `location: 'memory:'`/],
    [{ max: 5, location: 'localhost:1' }, /^expected `max` to be left out/],
    [{ keyPattern: 'a*' }, /^expected `keyPattern` to be given together with `keyFunction` and `parseKey`/],
    [{ keyPattern: 'a*', keyFunction: String }, /^expected `keyPattern` to be given together with/],
    [{ hashLongKeys: true, keyFunction: String }, /^expected `hashLongKeys` to be left out beside `keyFunction`/],
    [{ clientSideCache: {} }, /^expected `clientSideCache` to be left out: the option `near` keeps entries in this process$/],
    [{ emitInvalidate: true }, /^expected `emitInvalidate` to be left out: the option `near` listens to invalidations$/],
    [{ parser: 'auto', RESP: 3 }, /^expected `RESP` to be 2 beside `parser`/],
    [{ parser: 'auto', pingInterval: 1000 }, /^expected `pingInterval` to be left out beside `parser`/],
    [{ parser: 'auto', disableOfflineQueue: true }, /^expected `disableOfflineQueue` to be left out beside `parser`/],
    [
      { parser: 'auto', credentialsProvider: { type: 'streaming-credentials-provider' } },
      /^expected `credentialsProvider.type` to be 'async-credentials-provider' beside `parser`$/,
    ],
    [
      { password: 'hunter2', credentialsProvider: { type: 'async-credentials-provider' } },
      /^expected `password` to be left out beside `credentialsProvider`$/,
    ],
    [{ RESP: 2, maintNotifications: 'auto' }, /^expected `maintNotifications` to be 'disabled' or left out beside `RESP: 2`$/],
    [{ near: {}, maintNotifications: 'enabled' }, /^expected `maintNotifications` to be 'disabled' or left out beside `near`$/],
    [
      { maintNotifications: 'disabled', maintEndpointType: 'none' },
      /^expected `maintEndpointType` to be left out beside `maintNotifications: 'disabled'`$/,
    ],

    [{ host: 'a' }, /^unknown option `host`: use `location: 'host:port'`/],
    [
      { host: 'a', port: 1, db: 2, wibble: 3, loction: 'x', gone: undefined },
      /^unknown options `host`: use .*; `port`: use .*; `db`: use `database`; `wibble`; `loction`, did you mean `location`\?; set options that only/,
    ],
    [{ tls: {} }, /^unknown option `tls`: use `location: 'rediss:\/\/…'`, or `socket: \{ tls: true \}`$/],
    [{ uri: 'redis://:hunter2@a' }, /^unknown option `uri`: use `location`$/],
    [{ throwOnErrors: true }, /^unknown option `throwOnErrors`: use `onFailure: 'throw'`$/],
    [{ noNamespaceAffectsAll: true }, /^unknown option `noNamespaceAffectsAll`: use `prefix: ''`/],
    [{ retryStrategy: () => 1 }, /^unknown option `retryStrategy`: use `socket: \{ reconnectStrategy \}`$/],
    [{ lazyConnect: true }, /^unknown option `lazyConnect`: not needed: /],
    [{ maxRetriesPerRequest: 1 }, /^unknown option `maxRetriesPerRequest`: not needed: /],
    [{ location: 'elsewhere', pool: { use() {}, close() {} } }, /^expected `location` to be left out beside `pool`/],
  ];
  for (const [options, message] of cases) {
    it(`refuses ${inspect(options, { depth: 0 }).slice(0, 80)} (${message.source.slice(0, 40)}…) at construction, in words`, () => {
      for (const make of [redisStore, (given: never) => new KeyvRedisStore(given)]) {
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

  it('takes every option of Node for a socket, and one it may gain', () => {
    const socket = {
      tls: true,
      ALPNCallback: () => 'x',
      sessionTimeout: 5,
      family: 4,
      hints: 0,
      ca: 'x',
      port: '7000',
      somethingOfTomorrow: 1,
    };
    expect(() => closing(redisStore({ socket } as never))).not.to.throw();
  });

  it('takes options that are there but undefined as left out, unknown ones too', () => {
    const names = [...Object.keys(takes), 'host', 'wibble'];
    expect(() => closing(redisStore(Object.fromEntries(names.map((name) => [name, undefined])) as StoreOptions))).not.to.throw();
    const nested = { breaker: { threshold: undefined, wibble: undefined }, batch: { max: undefined }, near: { ttl: undefined } };
    expect(() => closing(redisStore(nested as never))).not.to.throw();
  });

  it('takes what says the same as the location, and what it leaves open', () => {
    const options = { location: 'redis://u:p@h/1', username: 'u', password: 'p', database: 1, socket: { host: 'h', port: 7000 } };
    expect(() => closing(redisStore(options))).not.to.throw();
    expect(() => closing(redisStore({ location: 'h:7000', database: 1, socket: { port: 7000, connectTimeout: 5 } }))).not.to.throw();
  });

  it('takes the options of a connection beside `memory:`, and `max` there alone', () => {
    const options = {
      location: 'memory:',
      password: 'x',
      socket: { connectTimeout: 5 },
      near: {},
      parser: 'auto',
      batch: { max: 9 },
    } as const;
    expect(() => closing(redisStore({ ...options, max: 5, pingInterval: 1000 }))).not.to.throw();
    expect(() => closing(nullStore({ location: 'memory:', max: 5 }))).not.to.throw();
  });

  it('refuses an unknown `namespace` of a store, and takes it of a Keyv', () => {
    expect(() => redisStore({ namespace: 'a' } as never)).to.throw(OptionError, 'unknown option `namespace`: use `prefix`');
    expect(() => createKeyv({ namespace: 'a' })).not.to.throw();
  });

  it('refuses wrong kinds of the options of Keyv, and `useKeyPrefix` in createKeyv', () => {
    const wrong = {
      emitErrors: 1,
      throwOnErrors: 'yes',
      serialize: {},
      deserialize: 'json',
      stats: 'on',
      useKeyPrefix: true,
      sanitize: {},
    };
    for (const [name, value] of Object.entries(wrong)) {
      expect(() => createKeyv({ [name]: value })).to.throw(OptionError, `expected \`${name}\` to be `);
    }
    expect(() => new KeyvRedisStore({ useKeyPrefix: 'no' as never })).to.throw(OptionError, 'expected `useKeyPrefix` to be a boolean');
  });

  it('refuses zstd as an option where Node has none', function () {
    if (zstdCompressor.supported) this.skip();
    expect(() => redisStore({ compression: 'zstd' })).to.throw(OptionError, 'zstd needs Node 22.15 or later');
  });

  it('refuses what is no object of options, and quotes no URL', () => {
    for (const options of [null, 5, [], new Date(), new URL('redis://:hunter2@host'), () => {}]) {
      expect(() => redisStore(options as never))
        .to.throw(
          OptionError,
          /^expected the first argument of `redisStore` to be a location, a client of node-redis or an options object, got /,
        )
        .with.property('message')
        .that.does.not.contain('hunter2');
    }
  });

  /** The sample values that each option takes. It refuses the others, by its name. */
  const takes: Record<keyof StoreOptions | 'clientSideCache' | 'emitInvalidate', readonly (keyof typeof samples)[]> = {
    RESP: [],
    batch: ['object'],
    breaker: ['object'],
    client: [],
    clientInfoTag: ['text'],
    clientSideCache: [],
    cluster: [],
    commandOptions: ['object'],
    commandsQueueMaxLength: [],
    compression: [],
    credentialsProvider: [],
    database: [],
    disableClientInfo: ['true'],
    disableOfflineQueue: ['true'],
    emitInvalidate: [],
    encryption: [],
    functions: ['object'],
    hashLongKeys: ['true'],
    invalidations: [],
    isCacheable: ['function'],
    keyFunction: ['function'],
    keyPattern: [],
    keyPrefix: ['text'],
    lazyClear: ['true'],
    wholeDatabase: ['true'],
    location: ['text'],
    maintEndpointType: [],
    maintNotifications: [],
    maintRelaxedCommandTimeout: [],
    maintRelaxedSocketTimeout: [],
    max: [],
    maxContainers: [],
    maxDecompressedSize: [],
    maxPending: [],
    maxPendingBytes: [],
    maxTtl: [],
    maxValueSize: [],
    modules: ['object'],
    name: ['text'],
    near: ['object'],
    offline: ['object'],
    onBackgroundRefreshError: ['function'],
    onFailure: [],
    parseKey: [],
    parser: ['function'],
    password: ['text'],
    pingInterval: [],
    pool: [],
    prefix: ['text'],
    readFrom: [],
    readonly: ['true'],
    readable: ['array'],
    refreshThreshold: ['number', 'function'],
    scripts: ['object'],
    sentinel: [],
    serializer: [],
    socket: ['object'],
    tags: ['true', 'function'],
    timeout: [],
    ttl: ['null', 'function'],
    ttlJitter: [],
    url: ['text'],
    username: ['text'],
    version: ['text'],
  };
  const samples = {
    null: null,
    array: [],
    number: -1.5,
    text: 'nonsense',
    true: true,
    object: {},
    date: new Date(),
    function: function given() {},
  };

  for (const [name, kinds] of Object.entries(takes)) {
    it(`refuses every wrong kind of \`${name}\`, and \`${name}\` misspelt`, () => {
      for (const [kind, value] of Object.entries(samples)) {
        const make = (): unknown => closing(redisStore({ [name]: value }));
        if (kinds.includes(kind as keyof typeof samples)) expect(make, kind).not.to.throw();
        else expect(make, kind).to.throw(OptionError, `\`${name}`);
      }
      const swapped = `${name[0]}${name[2]}${name[1]}${name.slice(3)}`;
      const misspelt = swapped === name ? `${name}x` : swapped;
      expect(() => redisStore({ [misspelt]: samples.text })).to.throw(
        OptionError,
        `unknown option \`${misspelt}\`, did you mean \`${name}\`?`,
      );
    });
  }

  it('never shows what came where it may be a secret', () => {
    for (const options of [{ password: 1234 }, { client: 'redis://:1234@host' }, { socket: '1234' }, { username: 1234 }, { url: 1234 }]) {
      expect(() => redisStore(options as never))
        .to.throw(OptionError)
        .with.property('message')
        .that.does.not.contain('1234');
    }
  });

  describe('of createPool', () => {
    it('are those of a connection, and say where the others belong', () => {
      for (const name of ['prefix', 'ttl', 'near', 'batch', 'serializer', 'keyPrefix', 'onFailure']) {
        expect(() => createPool({ [name]: 5 } as ConnectionOptions)).to.throw(
          OptionError,
          `expected \`${name}\` to be left out: \`createPool\` takes options of the connection; pass it to \`redisStore\` or \`createKeyv\``,
        );
      }
      expect(() => createPool({ hsot: 5 } as ConnectionOptions)).to.throw(OptionError, 'unknown option `hsot`');
      expect(() => createPool({ timeuot: 5 } as ConnectionOptions)).to.throw(OptionError, 'did you mean `timeout`?');
      const { use, close } = createPool({
        location: 'localhost:1',
        timeout: 100,
        breaker: false,
        name: 'shared',
        prefix: undefined,
      } as never);
      expect([use, close]).to.satisfy((each: unknown[]) => each.every((method) => typeof method === 'function'));
    });
  });
});
