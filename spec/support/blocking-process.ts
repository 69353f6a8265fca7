import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { redisStore, type StoreOptions } from '../../src/index.js';
import { block } from './block.js';

/** What an application has seen of its store. */
export interface BlockingReport {
  readonly requests: number;
  readonly failures: readonly string[];
  readonly wrong: readonly string[];
  readonly breaker: readonly string[];
}

/**
 * An HTTP server that holds up its event loop for `block` milliseconds in each request, with calls of its store under way: writes it does not
 * wait for, reads, a deletion and a load. In its argument: options of the store. A message from the parent asks for the report.
 */
async function main({ block: time, options }: { block: number; options: StoreOptions }): Promise<void> {
  const store = redisStore(options);
  const failures: string[] = [];
  const wrong: string[] = [];
  const breaker: string[] = [];
  let requests = 0;
  store.on('error', (error) => failures.push(`${error.code} ${error.operation}: ${error.message}`));
  store.on('breaker', (state) => breaker.push(state));
  await store.set('warm', 1);
  const expectIs = async (what: string, call: Promise<unknown>, value: unknown): Promise<void> => {
    try {
      const got = await call;
      if (got !== value) wrong.push(`${what}: ${got}`);
    } catch (error) {
      wrong.push(`${what}: ${error}`);
    }
  };
  const http = createServer(async (_, response) => {
    const n = requests++;
    const written = expectIs('set', store.set(`page${n}`, n), true);
    const calls = [
      written,
      expectIs('get', store.get('warm'), 1),
      expectIs('del', store.del(`old${n}`), undefined),
      expectIs(
        'getOrSet',
        store.getOrSet(`made${n}`, () => n),
        n,
      ),
    ];
    block(time);
    await Promise.all(calls);
    await expectIs('get behind it', store.get(`page${n}`), n);
    response.end('ok');
  });
  // A client that comes back after the process was stopped finds its connection.
  http.keepAliveTimeout = 0;
  http.listen(0, '127.0.0.1', () => process.send?.({ port: (http.address() as AddressInfo).port }));
  process.on('message', () => process.send?.({ requests, failures, wrong, breaker: [...breaker, store.breaker] }));
}

if (require.main === module) void main(JSON.parse(process.argv[2] as string));
