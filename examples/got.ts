import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createKeyv } from '../src/keyv.js'; // in your project: 'redis-tier/keyv'

export async function main(location: string) {
  const { got } = await import('got'); // in an ES module: import got from 'got'

  let answered = 0; // an API whose responses may be cached for a minute
  const api = createServer((_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(JSON.stringify({ answer: ++answered }));
  }).listen(0, '127.0.0.1');
  await once(api, 'listening');
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/price`;

  // got fails a request on every `error` event of its cache, so the Keyv must not emit any. The adapter still does: log those.
  // got wraps a Keyv of another copy or version in its own Keyv with this namespace. An adapter serves one namespace, so use the same.
  const cacheOn = (where: string) => {
    const keyv = createKeyv(where, { namespace: 'cacheable-request', emitErrors: false, timeout: 200 });
    const told: string[] = [];
    (keyv.store as { on(event: 'error', listener: (error: Error & { code: string }) => void): unknown }).on('error', ({ code }) =>
      told.push(code),
    );
    return { keyv, cache: keyv as never, told }; // in an ES module `keyv` needs no cast
  };
  const redis = cacheOn(location);
  const gone = cacheOn('127.0.0.1:1'); // nothing listens there: Redis is unreachable
  try {
    const cached = [await got(url, { cache: redis.cache }).json(), await got(url, { cache: redis.cache }).json()];
    console.log('with Redis:', cached, `the API answered ${answered} time(s)`);

    const direct = [await got(url, { cache: gone.cache }).json(), await got(url, { cache: gone.cache }).json()];
    console.log('with Redis gone:', direct, 'no request failed; the adapter told of', new Set(gone.told));
    return { cached, direct, told: gone.told };
  } finally {
    await redis.keyv.disconnect();
    await gone.keyv.disconnect();
    api.close();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
