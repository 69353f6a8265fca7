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

  async function dial(): Promise<Heard> {
    const socket = connect(Number(proxy.location.split(':')[1]), '127.0.0.1');
    sockets.push(socket);
    const heard: Heard = { socket, bytes: '', end: undefined };
    socket.on('data', (data) => (heard.bytes += data));
    socket.on('error', () => (heard.end = 'reset')).on('close', () => (heard.end ??= 'closed'));
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
