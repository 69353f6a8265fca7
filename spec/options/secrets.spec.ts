import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { inspect } from 'node:util';
import { expect } from 'chai';
import {
  type CacheError,
  createPool,
  RoundRobinPool,
  redisStore,
  type Serializer,
  type StoreOptions,
  v8Serializer,
} from '../../src/index.js';
import { createKeyv, KeyvRedisStore } from '../../src/keyv.js';
import { onlyUser } from '../support/acl.js';
import { RedisCluster } from '../support/cluster.js';
import { cacheOf } from '../support/internals.js';
import { closing, rejection } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { RedisSentinels } from '../support/sentinel.js';
import { rawClient } from '../support/wire.js';

const password = 'hunter2-the-password';
const key = createHash('sha256').update('hunter3').digest();
const value = 'hunter4-the-value';
/** That of the sentinels, which is not the servers'. */
const ofSentinels = 'hunter5-the-sentinels-password';

/** All the ways in which a secret could be written down. */
const forms = [
  password,
  ofSentinels,
  value,
  ...[key].flatMap((bytes) => [bytes.toString(), bytes.toString('base64'), bytes.toString('hex')]),
];
const asBytes = inspect(key).slice(8, 40);

function shows(text: string): string[] {
  return [...forms, asBytes].filter((form) => text.includes(form));
}

/** Everything that a log could make of a thing. */
function written(thing: unknown): string {
  const texts = [inspect(thing, { depth: 10 }), inspect(thing, { depth: 10, showHidden: true })];
  texts.push(inspect(thing, { depth: 10, customInspect: false }), inspect(thing, { depth: 10, getters: true }), String(thing));
  try {
    texts.push(JSON.stringify(thing) ?? '');
  } catch {
    // A Keyv refers to itself.
  }
  if (thing instanceof Error) {
    texts.push(thing.message, thing.stack ?? '', JSON.stringify(Object.getOwnPropertyDescriptors(thing)), written(thing.cause ?? ''));
  }
  return texts.join('\n');
}

describe('secrets', () => {
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start(onlyUser('app', password, ['~*', '&*', '+@all']));
  });
  after(() => server.stop());

  const encryption = { keys: [{ id: 'k1', key }] };
  const options = (): StoreOptions => ({ location: `redis://app:${password}@${server.location}`, encryption });
  const apart = (): StoreOptions => ({ location: server.location, username: 'app', password, encryption });
  const provided = (): StoreOptions => ({
    location: server.location,
    credentialsProvider: { type: 'async-credentials-provider', credentials: async () => ({ username: 'app', password }) },
    encryption: { keys: [{ id: 'k1', key: key.toString('base64') }] },
  });

  it('are found where they are, by the search of this suite', () => {
    expect(shows(written({ deep: { options: { password } } }))).to.deep.equal([password]);
    expect(shows(written(new Error('x', { cause: new Error(value) })))).to.deep.equal([value]);
    expect(shows(written({ key }))).not.to.deep.equal([]);
  });

  for (const [how, make] of Object.entries({ 'in the location': options, 'in options': apart, 'by a provider': provided })) {
    for (const [kind, more] of Object.entries({
      shared: {},
      'round robin': { pool: { class: RoundRobinPool, size: 2 } },
      direct: { parser: 'auto' as const },
    })) {
      it(`do not stand in a store, an adapter, a Keyv or a pool: given ${how}, ${kind}`, async () => {
        const store = closing(redisStore({ ...make(), ...more }));
        const keyv = closing(createKeyv({ ...make(), ...more, namespace: 'n' }));
        const v5 = closing(new KeyvRedisStore({ ...make(), ...more }));
        const v6 = closing(new KeyvRedisStore({ ...make(), ...more }));
        const { encryption: _, ...where } = make();
        const pool = createPool({ ...where, ...more });
        const things = { store, keyv, v5, v6, pool, context: cacheOf(store).context, opts: [v5.opts, v6.opts] };
        const look = (): void => {
          for (const [name, thing] of Object.entries({ ...things, status: store.status, client: store.client })) {
            expect(shows(written(thing)), name).to.deep.equal([]);
          }
        };
        look();
        await store.set('k', { value });
        await keyv.set('k', { value });
        await v5.set('k', value);
        await v6.set('k', value);
        await pool.use((connection) => connection.ready());
        expect(await store.get('k')).to.deep.equal({ value });
        look();
        await store.disconnect();
        await pool.close(500);
        look();
      });
    }
  }

  it('stand in what is encrypted nowhere, and a store shows what it is', () => {
    const store = closing(redisStore(options()));
    expect(inspect({ store })).to.equal("{ store: RedisStore { name: 'redis', status: 'idle' } }");
    expect(inspect(closing(new KeyvRedisStore(options())))).to.equal("KeyvRedisStore { status: 'idle' }");
  });

  /** Every error a store tells of while it is used in every way. */
  async function errorsOf(more: StoreOptions): Promise<CacheError[]> {
    const errors: CacheError[] = [];
    const store = closing(redisStore({ timeout: 500, ...more })).on('error', (error) => errors.push(error));
    const calls = [
      () => store.ready(),
      () => store.set('k', value),
      () => store.mset({ a: value }),
      () => store.get('k'),
      () => store.add('k', value),
      () => store.getAndDelete('k'),
      () => store.incr('k'),
      () => store.getOrSet('k', () => value),
      () => store.touch('k', 5),
    ];
    for (const call of calls) await call().catch((error) => errors.push(error));
    return errors;
  }

  const nothingIn = (errors: readonly unknown[]): void => {
    expect(errors.length).to.be.above(0);
    for (const error of errors) expect(shows(written(error)), inspect(error)).to.deep.equal([]);
  };

  /** `app` is the only one there is, and the nodes are `app` to each other. */
  const users = ['--user', 'app', 'on', `>${password}`, '~*', '&*', '+@all', '--user', 'default', 'off'];
  const nodes = [...users, '--masteruser', 'app', '--masterauth', password];
  const credentials = { username: 'app', password };
  const nobody = { host: '127.0.0.1', port: 1 };

  const several: Record<string, () => Promise<{ options: StoreOptions[]; refused: StoreOptions[]; stop(): Promise<void> }>> = {
    async 'a cluster'() {
      const cluster = await RedisCluster.start({ args: nodes, client: credentials });
      const { rootNodes } = cluster;
      const port = cluster.nodes[0]?.port;
      return {
        options: [
          { cluster: { rootNodes }, ...credentials },
          { cluster: { rootNodes, defaults: credentials } },
          { cluster: { rootNodes: [{ url: `redis://app:${password}@127.0.0.1:${port}` }], useReplicas: true } },
        ],
        refused: [
          { cluster: { rootNodes, defaults: { username: 'app', password: `${password}x` } } },
          { cluster: { rootNodes: [{ url: `redis://app:${password}x@127.0.0.1:${port}` }] } },
          { cluster: { rootNodes: [{ socket: nobody }], defaults: credentials } },
        ],
        stop: () => cluster.stop(),
      };
    },
    async sentinels() {
      const sentinelClientOptions = { username: 'app', password: ofSentinels };
      const started = await RedisSentinels.start({
        args: nodes,
        sentinelClient: { ...credentials, password: ofSentinels },
        sentinelLines: [
          `user app on >${ofSentinels} >${password} ~* &* +@all`,
          'user default off',
          'sentinel auth-user cache app',
          `sentinel auth-pass cache ${password}`,
          'sentinel sentinel-user app',
          `sentinel sentinel-pass ${ofSentinels}`,
        ],
      });
      const sentinel = { name: started.name, sentinelRootNodes: started.rootNodes };
      return {
        options: [
          { sentinel: { ...sentinel, sentinelClientOptions }, ...credentials },
          { sentinel: { ...sentinel, sentinelClientOptions, nodeClientOptions: credentials, replicaPoolSize: 1 } },
        ],
        refused: [
          { sentinel: { ...sentinel, sentinelClientOptions: { username: 'app', password: `${ofSentinels}x` } }, ...credentials },
          { sentinel: { ...sentinel, sentinelClientOptions }, username: 'app', password: `${password}x` },
          { sentinel: { ...sentinel, sentinelRootNodes: [nobody], sentinelClientOptions }, ...credentials },
        ],
        stop: () => started.stop(),
      };
    },
  };
  for (const [title, start] of Object.entries(several)) {
    it(`of ${title} do not stand in stores, adapters and their clients, nor in errors where they are refused`, async () => {
      const { options: all, refused, stop } = await start();
      for (const options of all) {
        const store = closing(redisStore(options));
        const keyv = closing(createKeyv({ ...options, namespace: 'n' }));
        const v5 = closing(new KeyvRedisStore(options));
        const things = { store, keyv, v5, context: cacheOf(store).context, opts: v5.opts };
        const look = (): void => {
          for (const [name, thing] of Object.entries({ ...things, status: store.status, client: store.client })) {
            expect(shows(written(thing)), name).to.deep.equal([]);
          }
        };
        look();
        await store.set('k', { value });
        await keyv.set('k', { value });
        await v5.set('k', value);
        expect(await store.get('k')).to.deep.equal({ value });
        look();
        await store.disconnect();
        look();
      }
      for (const options of refused) nothingIn(await errorsOf(options));
      await stop();
    });
  }

  for (const parser of [undefined, 'auto'] as const) {
    const client = parser ? 'our own parser' : 'node-redis';

    it(`do not stand in errors of connections that do not come about, by ${client}`, async () => {
      const nobody = await freePort();
      nothingIn(await errorsOf({ location: `redis://app:${password}@127.0.0.1:${nobody}`, parser }));
      nothingIn(await errorsOf({ location: `redis://app:${password}x@${server.location}`, parser }));
      nothingIn(await errorsOf({ location: `redis://app2:${password}@${server.location}`, parser }));
    });

    it(`do not stand in errors of a server that quotes the commands it does not know, by ${client}`, async () => {
      const renamed = await RedisServer.start(['--rename-command', 'SET', '', '--rename-command', 'EVALSHA', '']);
      const errors = await errorsOf({ location: renamed.location, parser });
      nothingIn(errors);
      expect(errors.filter(({ message }) => message.includes('unknown command')).length).to.be.above(2);
      await renamed.stop();

      const old = await listening((socket) =>
        socket.on('data', (data) => {
          // As a Redis before 6 answers HELLO, and a proxy AUTH.
          for (const _ of String(data).matchAll(/\*\d/g))
            socket.write(`-ERR unknown command, with args beginning with: \`3\`, \`${password}\`\r\n`);
        }),
      );
      nothingIn(await errorsOf({ location: `redis://app:${password}@127.0.0.1:${old.port}`, parser }));
      old.close();
    });
  }

  it('do not stand in errors about stored bytes that cannot be read, whatever the reader says', async () => {
    const talkative: Serializer = {
      name: 'talkative',
      stringify: (it) => JSON.stringify(it),
      parse(text) {
        throw Object.assign(new RangeError(`cannot read ${text}\n    at ${text}`), { source: text });
      },
    };
    const store = closing(redisStore({ ...apart(), encryption: undefined, serializer: talkative, readable: [v8Serializer] }));
    const errors: CacheError[] = [];
    store.on('error', (error) => errors.push(error));
    await store.set('talkative', { value });
    const redis = await rawClient({ url: `redis://app:${password}@${server.location}` } as RedisServer);
    await redis.set('cache:json', value);
    await redis.set('cache:long', `{"a":"${'x'.repeat(100)}",${value}}`);
    await redis.set('cache:v8', Buffer.concat([Buffer.from('c176380000', 'hex'), v8Serializer.serialize(value).subarray(4)]));
    redis.destroy();
    for (const name of ['talkative', 'json', 'long', 'v8']) expect(await store.get(name)).to.equal(undefined);
    nothingIn(errors);
    expect(errors.map(({ message }) => message)).to.deep.equal([
      'the stored value cannot be decoded: RangeError',
      'the stored value cannot be decoded: SyntaxError',
      'the stored value cannot be decoded: SyntaxError',
      'the stored value is not in the format of v8 that this store reads',
    ]);
    // What is left is enough to find the place.
    expect(errors[0]?.cause)
      .to.have.property('stack')
      .that.matches(/^RangeError\n {4}at .*parse/);
    await store.reset();
  });

  it('do not stand in errors about options', () => {
    const wrong: unknown[] = [
      `redis://app:${password}@ho st`,
      { location: `redis://app:${password}@ho st` },
      { encryption: { keys: [{ id: 'k', key: `${key.toString('base64')}x` }] } },
      { encryption: { keys: [{ id: `${key.toString('base64')}`, key: 'k' }] } },
      { encryption: { keys: { k1: key.toString('base64') } } },
      { encryption: key.toString('hex') },
      { encryption: key },
      { client: {}, password },
      { pool: createPool(), password },
      { password, socket: { tls: true }, location: 'redis://host' },
    ];
    for (const each of wrong) {
      let error: unknown;
      try {
        closing(redisStore(each as StoreOptions));
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.be.instanceOf(TypeError);
      nothingIn([error]);
    }
  });

  it('do not stand in the rejections of a frozen server either', async () => {
    const frozen = await RedisServer.start(onlyUser('app', password, ['~*', '+@all']));
    const store = closing(redisStore({ location: `redis://app:${password}@${frozen.location}`, timeout: 200, encryption }));
    await store.ready();
    frozen.freeze();
    nothingIn([await rejection(store.add('k', value)), await rejection(store.ping())]);
    frozen.thaw();
    await frozen.stop();
  });
});

/** A server that is no Redis. */
async function listening(serve: (socket: import('node:net').Socket) => unknown): Promise<{ port: number; close(): Server }> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as { port: number }).port, close: () => server.close() };
}
