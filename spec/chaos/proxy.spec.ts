import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Condition, FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { until } from '../support/until.js';

/** What came back, and how it ended, if it did. */
interface Heard {
  readonly socket: Socket;
  bytes: string;
  end: 'closed' | 'reset' | undefined;
}

describe('the proxy of the chaos suite', () => {
  let echo: Server;
  let proxy: FaultProxy;
  const sockets: Socket[] = [];

  before(async () => {
    echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
  });
  after(() => echo.close());
  beforeEach(async () => {
    proxy = await FaultProxy.start((echo.address() as { port: number }).port, new Random(1));
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await proxy.stop();
  });

  function listen(): Heard {
    const socket = connect(Number(proxy.location.split(':')[1]), '127.0.0.1');
    sockets.push(socket);
    const heard: Heard = { socket, bytes: '', end: undefined };
    socket.on('data', (data) => (heard.bytes += data));
    socket.on('error', () => (heard.end = 'reset')).on('close', () => (heard.end ??= 'closed'));
    return heard;
  }

  async function dial(): Promise<Heard> {
    const heard = listen();
    const { socket } = heard;
    await once(socket, 'connect');
    socket.write('a');
    await until(() => heard.bytes === 'a');
    return heard;
  }

  it('lets nothing through while frozen, and everything afterwards', async () => {
    const heard = await dial();
    proxy.become({ kind: 'frozen' });
    heard.socket.write('bc');
    await sleep(50);
    expect(heard.bytes).to.equal('a');
    proxy.become({ kind: 'open' });
    await until(() => heard.bytes === 'abc');
  });

  for (const way of ['requests', 'replies'] as const) {
    it(`keeps a connection dead that has lost ${way}, and serves new ones`, async () => {
      const heard = await dial();
      proxy.become({ kind: 'swallow', way });
      heard.socket.write('b');
      await sleep(50);
      proxy.become({ kind: 'open' });
      heard.socket.write('c');
      await sleep(50);
      expect(heard).to.include({ bytes: 'a', end: undefined });
      await dial();
    });
  }

  it('keeps connections dead that have lost everything, and serves those that are made meanwhile', async () => {
    const heard = await dial();
    proxy.present({ kind: 'swallow', way: 'both' });
    heard.socket.write('b');
    await dial();
    expect(heard).to.include({ bytes: 'a', end: undefined });
  });

  it('takes no more from a sender than fits through a narrow network, which all connections share', async () => {
    const [one, two] = await Promise.all([dial(), dial()]);
    proxy.become({ kind: 'narrow', bytesPerSecond: 200_000 });
    const start = performance.now();
    one.socket.write('b'.repeat(20_000));
    two.socket.write('c'.repeat(20_000));
    await until(() => one.bytes.length + two.bytes.length === 40_002);
    // 200 ms there, and the last packet back.
    expect(performance.now() - start).to.be.at.least(200);
    one.socket.write(Buffer.alloc(32 * 2 ** 20));
    await sleep(100);
    expect(one.socket.writableLength).to.be.above(2 ** 20);
  });

  it('lets latency rise and fall, and nothing overtake', async () => {
    const [one, two] = await Promise.all([dial(), dial()]);
    proxy.become({ kind: 'ramp', from: 1, to: 400, over: 400 });
    await sleep(150);
    const start = performance.now();
    one.socket.write('bcd');
    await sleep(200);
    two.socket.write('e');
    await until(() => two.bytes === 'ae');
    expect(one.bytes).to.equal('abcd');
    expect(performance.now() - start).to.be.above(200);
  });

  it('accepts connections and closes them, and cuts those of before', async () => {
    const before = await dial();
    const { accepted } = proxy;
    proxy.become({ kind: 'closing' });
    const heard = listen();
    await until(() => before.end !== undefined && heard.end !== undefined);
    expect(heard).to.include({ bytes: '', end: 'closed' });
    expect(proxy.accepted).to.equal(accepted + 1);
  });

  for (const stays of [true, false]) {
    it(`greets with other bytes, and then ${stays ? 'says no more' : 'closes'}`, async () => {
      proxy.become({ kind: 'greeting', bytes: Buffer.from('220 mail'), stays });
      const heard = listen();
      heard.socket.write('b');
      await until(() => heard.bytes === '220 mail' && (stays || heard.end === 'closed'));
      proxy.become({ kind: 'open' });
      await until(() => heard.end !== undefined);
      await dial();
    });
  }

  it('spends its time on each connection, one after the other, and none while frozen', async () => {
    proxy.handshakes.cost = 50;
    const start = performance.now();
    const { socket } = listen();
    await once(socket, 'connect');
    socket.destroy();
    await Promise.all([dial(), dial()]);
    expect(performance.now() - start).to.be.at.least(145);
    proxy.become({ kind: 'frozen' });
    const heard = listen();
    heard.socket.write('b');
    await sleep(100);
    expect(heard.bytes).to.equal('');
    proxy.become({ kind: 'open' });
    await until(() => heard.bytes === 'b');
  });

  it('cuts a connection after so many bytes of replies', async () => {
    const heard = await dial();
    proxy.become({ kind: 'cut', from: 3, to: 3 });
    heard.socket.write('bcdefg');
    await until(() => heard.end !== undefined);
    expect(heard).to.include({ bytes: 'abcd', end: 'closed' });
  });

  const slow: Condition[] = [
    { kind: 'late', by: 30, jitter: 30 },
    { kind: 'drip', bytes: 1, every: 5 },
  ];
  for (const condition of slow) {
    it(`keeps all bytes and their order: ${condition.kind}`, async () => {
      const heard = await dial();
      proxy.become(condition);
      const start = performance.now();
      for (const text of ['bc', 'de', 'fg']) heard.socket.write(text);
      await until(() => heard.bytes.length === 7);
      expect(heard.bytes).to.equal('abcdefg');
      // Five pauses of 5 ms, each of which Node may end up to 1 ms early.
      expect(performance.now() - start).to.be.at.least(20);
    });
  }

  it('resets connections, and refuses them until it accepts again on the same port', async () => {
    const heard = await dial();
    proxy.reset();
    await until(() => heard.end === 'reset');
    await proxy.refuse();
    const refused = connect(Number(proxy.location.split(':')[1]), '127.0.0.1');
    const [error] = await once(refused, 'error');
    expect(error.code).to.equal('ECONNREFUSED');
    await proxy.accept();
    await dial();
  });
});
