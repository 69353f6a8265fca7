import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express, { type Request, type RequestHandler } from 'express';
import { type RedisStore, redisStore } from '../src/index.js'; // in your project: 'redis-tier'

/**
 * Answers from the cache, and caches responses with status 200. The route names the key, so that the code that writes can
 * name it too. Use it for responses that are the same for every user; otherwise put the user into the key.
 */
function cached(cache: RedisStore, keyOf: (request: Request) => string, ttl: number): RequestHandler {
  return async (request, response, next) => {
    const key = keyOf(request);
    const hit = await cache.get(key); // if Redis is down this is a miss, within a second
    response.set('X-Cache', hit === undefined ? 'MISS' : 'HIT');
    if (hit !== undefined) {
      response.json(hit);
      return;
    }
    const json = response.json.bind(response);
    response.json = (body) => {
      // Not awaited, so that the client does not wait for the cache. With the default `onFailure` it never rejects.
      if (response.statusCode === 200) void cache.set(key, body, ttl);
      return json(body);
    };
    next();
  };
}

export function createApp(cache: RedisStore) {
  const articles = new Map([['1', { id: '1', title: 'Hello' }]]); // stands for the database
  const keyOf = (request: Request) => `article:${request.params['id']}`;
  const app = express().use(express.json());

  app.get('/articles/:id', cached(cache, keyOf, 60_000), (request, response) => {
    const article = articles.get(String(request.params['id']));
    response.status(article ? 200 : 404).json(article ?? { error: 'no such article' });
  });
  app.put('/articles/:id', async (request, response) => {
    const id = String(request.params['id']);
    articles.set(id, { id, title: request.body.title });
    // After the write. A response read before it and cached after this line expires with its ttl.
    await cache.del(keyOf(request)); // rejects if it fails, and the client gets a 500
    response.sendStatus(204);
  });
  return app;
}

export async function main(location: string) {
  const cache = redisStore({ location, prefix: 'example-express' });
  cache.on('error', (error) => console.error(error.message));
  const server = createApp(cache).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    await cache.clear(); // a second run then shows the same
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/articles`;
    const seen: string[] = [];
    const get = async (id: string) => {
      const response = await fetch(`${url}/${id}`);
      seen.push(`${response.status} ${response.headers.get('x-cache')} ${await response.text()}`);
      console.log(`GET /articles/${id}:`, seen.at(-1));
    };
    await get('1');
    await get('1');
    await fetch(`${url}/1`, { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: '{"title":"Changed"}' });
    console.log('PUT /articles/1');
    await get('1');
    await get('2');
    await get('2'); // a 404 is not cached
    return { seen };
  } finally {
    server.close();
    await cache.disconnect();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
