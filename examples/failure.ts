import { once } from 'node:events';
import { createServer } from 'node:net';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

export async function main(_location: string) {
  // A server that accepts connections and never answers, like a frozen Redis.
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const store = redisStore({ location: `127.0.0.1:${port}`, timeout: 100 });
  const codes = new Set<string>();
  store.on('error', ({ code }) => codes.add(code));
  try {
    const timed = async <T>(work: () => Promise<T>) => {
      const start = performance.now();
      return { result: await work(), milliseconds: performance.now() - start };
    };
    // A read fails open: a miss, within the deadline.
    const read = await timed(() => store.get('user:1'));
    console.log(`get: ${read.result}, after ${read.milliseconds.toFixed(0)} ms`);

    // Your function runs, and its value is the answer.
    const made = await store.getOrSet('user:1', () => 'Ada');
    console.log('getOrSet:', made);

    // A deletion fails loud: it rejects.
    const refused = await store.del('user:1').catch(({ code }: { code: string }) => code);
    console.log('del:', refused);

    // After a few failures the circuit breaker opens: nothing is sent until Redis answers.
    for (let i = 0; i < 5; i++) await store.get('user:1');
    const open = await timed(() => store.get('user:1'));
    console.log(`breaker: ${store.breaker}; a get now takes ${open.milliseconds.toFixed(1)} ms`);
    console.log('told by the error event:', [...codes].sort().join(', '));
    return { read: read.result, inTime: read.milliseconds < 1000, made, refused, codes };
  } finally {
    await store.disconnect();
    silent.close();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
