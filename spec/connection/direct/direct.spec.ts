import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import { ConnectionError, type ParserClass, type Reply, ReplyParser, type StoreOptions } from '../../../src/index.js';
import { cacheOf } from '../../support/internals.js';
import { openStore, rejection } from '../../support/open.js';
import { freePort, RedisServer } from '../../support/redis.js';
import { SimpleParser } from '../../support/simple-parser.js';
import { until } from '../../support/until.js';
import { rawClient } from '../../support/wire.js';

const RedisParser = require('redis-parser') as ParserClass;
const parsers: Record<string, ParserClass | 'auto'> = {
  auto: 'auto',
  'redis-parser': RedisParser,
  'a class of the user’s own': SimpleParser,
};

type Seen = { reply: unknown } | { error: string } | { fatal: true };

/** What a parser makes of these chunks. */
function parsed(Parser: ParserClass, chunks: readonly Buffer[]): Seen[] {
  const seen: Seen[] = [];
  // redis-parser makes Buffers of status replies too.
  const plain = (reply: unknown): unknown => {
    if (Buffer.isBuffer(reply)) return reply.toString('latin1');
    if (Array.isArray(reply)) return reply.map(plain);
    return reply instanceof Error ? `error:${reply.message}` : reply;
  };
  const parser = new Parser({
    returnBuffers: true,
    returnReply: (reply: Reply) => seen.push({ reply: plain(reply) }),
    returnError: (error: Error) => seen.push({ error: error.message }),
    returnFatalError: () => seen.push({ fatal: true }),
  });
  for (const chunk of chunks) parser.execute(chunk);
  return seen;
}

const everyKind = Buffer.from(
  '+OK\r\n-ERR no\r\n:42\r\n:-7\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*0\r\n*-1\r\n*3\r\n$2\r\nab\r\n:1\r\n*2\r\n$-1\r\n-ERR inner\r\n*1\r\n*1\r\n$1\r\nx\r\n',
);

describe('reply parser', () => {
  it('reads every kind of reply', () => {
    expect(parsed(ReplyParser, [everyKind])).to.deep.equal([
      { reply: 'OK' },
      { error: 'ERR no' },
      { reply: 42 },
      { reply: -7 },
      { reply: 'a\r\nbc' },
      { reply: '' },
      { reply: null },
      { reply: [] },
      { reply: null },
      { reply: ['ab', 1, [null, 'error:ERR inner']] },
      { reply: [['x']] },
    ]);
  });

  for (const [name, Parser] of Object.entries(parsers)) {
    it(`reads alike what is cut at any byte: ${name}`, () => {
      const own = Parser === 'auto' ? ReplyParser : Parser;
      const whole = parsed(ReplyParser, [everyKind]);
      for (let cut = 1; cut < everyKind.length; cut++) {
        expect(parsed(own, [everyKind.subarray(0, cut), everyKind.subarray(cut)]), `cut at ${cut}`).to.deep.equal(whole);
      }
      expect(
        parsed(
          own,
          Array.from(everyKind, (byte) => Buffer.from([byte])),
        ),
      ).to.deep.equal(whole);
    });
  }

  it('agrees with redis-parser on any replies, cut anywhere', () =>
    fc.assert(
      fc.property(fc.array(replyBytes, { minLength: 1 }), fc.array(fc.nat(), { maxLength: 8 }), (replies, cuts) => {
        const bytes = Buffer.concat(replies);
        const places = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
        const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
        expect(
          parsed(
            ReplyParser,
            chunks.filter(({ length }) => length > 0),
          ),
        ).to.deep.equal(parsed(RedisParser, [bytes]));
      }),
      { numRuns: 500 },
    ));

  it('says when bytes are no reply', () => {
    for (const bad of ['HTTP/1.1 400\r\n', '$x\r\n', ':\r\n', '*1a\r\n', '+OK\rX']) {
      expect(parsed(ReplyParser, [Buffer.from(bad)]), bad).to.deep.equal([{ fatal: true }]);
    }
  });
});

const line = fc.string({ unit: fc.constantFrom('a', 'B', ' ', '7', '-') }).map((text) => text);
const { reply: replyBytes } = fc.letrec<{ reply: Buffer }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 3 },
    line.map((text) => Buffer.from(`+${text}\r\n`)),
    line.map((text) => Buffer.from(`-ERR ${text}\r\n`)),
    fc.integer().map((value) => Buffer.from(`:${value}\r\n`)),
    fc.uint8Array().map((bytes) => Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])),
    fc.constant(Buffer.from('$-1\r\n')),
    fc.array(tie('reply'), { maxLength: 4 }).map((items) => Buffer.concat([Buffer.from(`*${items.length}\r\n`), ...items])),
  ),
}));

const kinds: Record<string, StoreOptions> = { 'node-redis': {}, 'a direct connection': { parser: 'auto' } };
for (const [kind, options] of Object.entries(kinds)) {
  it(`bytes that are no RESP fail the commands in flight, and give no call the answer to another: ${kind}`, async () => {
    const server = await RedisServer.start();
    let spoil = false;
    const sockets = new Set<Socket>();
    const proxy = createServer((from) => {
      const to = connect(server.port, '127.0.0.1');
      for (const socket of [from, to]) sockets.add(socket.on('error', () => {}));
      from.pipe(to);
      to.on('data', (data) => {
        from.write(spoil ? Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n') : data);
        spoil = false;
      });
      from.on('close', () => to.destroy());
      to.on('close', () => from.destroy());
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const store = openStore({ location: `127.0.0.1:${(proxy.address() as { port: number }).port}`, batch: false, ...options });
    await store.mset({ a: 1, b: 2, c: 3 });
    spoil = true;
    const first = store.get('a');
    await until(() => !spoil);
    expect(await store.get('b')).to.be.oneOf([2, undefined]);
    expect(await store.get('c')).to.be.oneOf([3, undefined]);
    expect(await first).to.equal(undefined);
    expect(store.errors[0]).to.include({ code: 'ERR_CONNECTION' });
    await until(() => store.status === 'ready', 5000);
    expect(await store.mget('a', 'b', 'c')).to.deep.equal([1, 2, 3]);
    await store.disconnect();
    for (const socket of sockets) socket.destroy();
    proxy.close();
    await server.stop();
  });
}

describe('direct connection', () => {
  it('takes an error reply without a command as the end of the connection, and counts no answer for it', async () => {
    const server = await RedisServer.start();
    let refuse = false;
    let refused = 0;
    let accepted = 0;
    const sockets = new Set<Socket>();
    // What Redis does at its `maxclients`: it answers every new client with an error, and closes.
    const proxy = createServer((from) => {
      sockets.add(from.on('error', () => {}));
      if (refuse) {
        refused++;
        from.write('-ERR max number of clients reached\r\n');
        setTimeout(() => from.destroy(), 100);
        return;
      }
      accepted++;
      const to = connect(server.port, '127.0.0.1').on('error', () => {});
      from.pipe(to).pipe(from);
      from.on('close', () => to.destroy());
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const location = `127.0.0.1:${(proxy.address() as { port: number }).port}`;
    const store = openStore({ location, parser: 'auto', batch: false, timeout: 1000 });
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    for (const [i, key] of keys.entries()) await store.set(key, i);
    refuse = true;
    for (const socket of sockets) socket.destroy();
    await until(() => refused >= 2, 5000);
    expect(store.errors.map(({ code }) => code)).to.include('ERR_MAX_CLIENTS');
    refuse = false;
    await until(async () => (await store.get('k7')) === 7, 5000);
    const connections = accepted;
    expect(await Promise.all(keys.map((key) => store.get(key)))).to.deep.equal(keys.map((_, i) => i));
    // Nor is anything thought to be on its way any more: an idle connection stays.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await store.get('k3')).to.equal(3);
    expect(accepted).to.equal(connections);
    await store.disconnect();
    for (const socket of sockets) socket.destroy();
    proxy.close();
    await server.stop();
  });

  it('comes back with backoff after the server was killed, and honours the user’s strategy', async () => {
    const port = await freePort();
    let server = await RedisServer.start([], port);
    const retries: number[] = [];
    const reconnectStrategy = (count: number) => {
      retries.push(count);
      return 20;
    };
    const store = openStore({ location: `127.0.0.1:${port}`, parser: 'auto', socket: { reconnectStrategy } });
    await store.set('k', 1);
    await server.stop();
    expect(await store.get('k')).to.equal(undefined);
    expect(await rejection(store.del('k'))).to.be.instanceOf(ConnectionError);
    await new Promise((resolve) => setTimeout(resolve, 100));
    server = await RedisServer.start([], port);
    await until(() => store.status === 'ready', 5000);
    await store.set('k', 2);
    expect(await store.get('k')).to.equal(2);
    expect(retries.slice(0, 3)).to.deep.equal([0, 1, 2]);
    await server.stop();
    const never = openStore({ location: `127.0.0.1:${port}`, parser: 'auto', socket: { reconnectStrategy: false } });
    expect(await never.get('k')).to.equal(undefined);
    expect(never.status).to.equal('idle');
  });

  it('survives a strategy that throws or gives nonsense, says so, and comes back by its own', async () => {
    for (const answer of [() => expect.fail('no idea'), () => 'soon']) {
      const server = await RedisServer.start();
      const store = openStore({ location: server.location, parser: 'auto', socket: { reconnectStrategy: answer as never } });
      await store.set('k', 1);
      const raw = await rawClient(server);
      await raw.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
      raw.destroy();
      await until(async () => (await store.get('k')) === 1, 5000);
      expect(store.errors.some(({ message }) => message.includes('reconnectStrategy failed'))).to.equal(true);
      await store.disconnect();
      await server.stop();
    }
  });

  it('gives up a shake of hands that waits for credentials for ever, and tries again', async () => {
    const server = await RedisServer.start();
    let asked = 0;
    const credentials = () => (asked++ === 0 ? new Promise<never>(() => {}) : Promise.resolve({}));
    const credentialsProvider = { type: 'async-credentials-provider', credentials } as never;
    const store = openStore({ location: server.location, parser: 'auto', timeout: 300, credentialsProvider });
    expect(await store.get('k')).to.equal(undefined);
    await until(async () => (await cacheOf(store).writer.set('k', 1)) === true, 20_000);
    await store.disconnect();
    await server.stop();
  });

  it('takes an absurd reply, or a parser that throws, for the end of the connection', async () => {
    class Throwing extends SimpleParser {
      override execute(chunk: Buffer): void {
        if (chunk.includes('poison')) throw new Error('cannot digest this');
        super.execute(chunk);
      }
    }
    const server = await RedisServer.start();
    const redis = await rawClient(server);
    const store = openStore({ location: server.location, prefix: 'p', parser: Throwing });
    await Promise.all([redis.set('p:bad', '"poison"'), store.set('good', 1)]);
    expect(await store.get('bad')).to.equal(undefined);
    expect(store.errors[0]).to.include({ code: 'ERR_CONNECTION' });
    await until(async () => (await store.get('good')) === 1, 5000);
    for (const size of [2 ** 32, 2 ** 53, 1e30]) {
      const length = size.toLocaleString('en', { useGrouping: false });
      expect(parsed(ReplyParser, [Buffer.from(`*${length}\r\n:1\r\n`)])).to.deep.equal([]);
    }
    redis.destroy();
    await server.stop();
  });

  it('says what is wrong with the password, and shows none', async () => {
    const server = await RedisServer.start(['--requirepass', 'right']);
    const error = await rejection(openStore({ location: `redis://:wr0ng-secret@${server.location}`, parser: 'auto' }).ready());
    expect(error.code).to.equal('ERR_AUTH');
    expect(error.message).to.match(/WRONGPASS/);
    expect(`${error.stack} ${JSON.stringify(error)}`).not.to.contain('wr0ng-secret');
    await server.stop();
  });

  it('opens one connection for many first calls, and settles in time with the server frozen', async () => {
    const server = await RedisServer.start();
    const store = openStore({ location: server.location, parser: 'auto', timeout: 200 });
    await Promise.all(Array.from({ length: 1000 }, (_, i) => store.set(`k${i}`, i)));
    expect(await store.mget('k0', 'k999')).to.deep.equal([0, 999]);
    server.freeze();
    const start = performance.now();
    expect(await store.get('k1')).to.equal(undefined);
    await store.disconnect();
    expect(performance.now() - start).to.be.below(2 * (200 + 250));
    server.thaw();
    await server.stop();
  });

  it('takes one server and RESP 2, and says so', () => {
    expect(() => openStore({ parser: 'fast' as never })).to.throw('expected `parser` to be \'auto\' or a parser class, got `"fast"`');
    expect(() => openStore({ parser: 'auto', RESP: 3 })).to.throw('expected `RESP` to be 2 beside `parser`, got `3`');
  });
});
