import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { type RedisStore, redisStore } from '../src/index.js'; // in your project: 'redis-tier'

type ById = { Params: { id: string }; Body: { title: string } };
type Request = FastifyRequest<ById>;

/**
 * Options of a route that answers from the cache, and caches responses with status 200. The route names the key, so that
 * the code that writes can name it too. Use it for responses that are the same for every user; otherwise put the user into
 * the key.
 */
function cached(cache: RedisStore, keyOf: (request: Request) => string, ttl: number) {
  return {
    async preHandler(request: Request, reply: FastifyReply) {
      const hit = await cache.get(keyOf(request)); // if Redis is down this is a miss, within a second
      reply.header('X-Cache', hit === undefined ? 'MISS' : 'HIT');
      if (hit !== undefined) return reply.send(hit);
    },
    async preSerialization(request: Request, reply: FastifyReply, payload: unknown) {
      const fresh = reply.statusCode === 200 && reply.getHeader('X-Cache') === 'MISS';
      // Not awaited, so that the client does not wait for the cache. With the default `onFailure` it never rejects.
      if (fresh) void cache.set(keyOf(request), payload, ttl);
      return payload;
    },
  };
}

export function createApp(cache: RedisStore) {
  const articles = new Map([['1', { id: '1', title: 'Hello' }]]); // stands for the database
  const keyOf = (request: Request) => `article:${request.params.id}`;
  const app = fastify();

  app.get<ById>('/articles/:id', cached(cache, keyOf, 60_000), async (request, reply) => {
    return articles.get(request.params.id) ?? reply.code(404).send({ error: 'no such article' });
  });
  app.put<ById>('/articles/:id', async (request, reply) => {
    const { id } = request.params;
    articles.set(id, { id, title: request.body.title });
    // After the write. A response read before it and cached after this line expires with its ttl.
    await cache.del(keyOf(request)); // rejects if it fails, and the client gets a 500
    return reply.code(204).send();
  });
  app.addHook('onClose', () => cache.disconnect());
  return app;
}

export async function main(location: string) {
  const cache = redisStore({ location, prefix: 'example-fastify' });
  cache.on('error', (error) => console.error(error.message));
  const app = createApp(cache);
  try {
    await cache.clear(); // a second run then shows the same
    const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/articles`;
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
    await app.close();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
