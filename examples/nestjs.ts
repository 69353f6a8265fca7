import 'reflect-metadata';
import { CACHE_MANAGER, type Cache, CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { Body, Controller, Get, Inject, Param, Post, ServiceUnavailableException, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createKeyv, storeOf } from '../src/keyv.js'; // in your project: 'redis-tier/keyv'

// Decorators are applied as functions here, so that the file compiles without `experimentalDecorators`. A comment shows the
// usual form in a Nest project.

class UsersController {
  readonly names = ['Ada', 'Grace']; // stands for the database

  constructor(readonly cache: Cache) {} // constructor(@Inject(CACHE_MANAGER) private cache: Cache) {}

  // The interceptor caches the response under the URL, so this runs once a minute for any number of requests.
  list() {
    return { users: this.names, count: this.names.length };
  }

  // One call of the function for all processes, an old value while it is renewed, and a tag to invalidate it by.
  one(id: string) {
    return storeOf(this.cache).getOrSet(`user:${id}`, () => ({ name: this.names[Number(id)], of: this.names.length }), {
      ttl: '1m',
      staleFor: '1m',
      tags: ['users'],
    });
  }

  // A write invalidates the cached response, and every entry with the tag.
  async add(user: { name: string }) {
    this.names.push(user.name);
    await this.cache.del('/users');
    await storeOf(this.cache).invalidateTags(['users']);
  }
}
Inject(CACHE_MANAGER)(UsersController, undefined, 0);
Controller('users')(UsersController); // @Controller('users')
on(Get(), UsersController, 'list'); // @Get()
on(UseInterceptors(CacheInterceptor), UsersController, 'list'); // @UseInterceptors(CacheInterceptor)
on(Get(':id'), UsersController, 'one'); // @Get(':id')
Param('id')(UsersController.prototype, 'one', 0); // one(@Param('id') id: string)
on(Post(), UsersController, 'add'); // @Post()
Body()(UsersController.prototype, 'add', 0); // add(@Body() user: { name: string })

class HealthController {
  constructor(readonly cache: Cache) {}

  async check() {
    try {
      await storeOf(this.cache).ping();
      return { redis: 'up' };
    } catch (error) {
      throw new ServiceUnavailableException({ redis: 'down', why: (error as Error).message });
    }
  }
}
Inject(CACHE_MANAGER)(HealthController, undefined, 0);
Controller('health')(HealthController);
on(Get(), HealthController, 'check');

/** Applies the decorator to a method. */
function on(decorator: MethodDecorator, { prototype }: { prototype: object }, name: string): void {
  decorator(prototype, name, Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor);
}

class AppModule {}

/** The argument of `@Module({ … })` above AppModule. */
function appModule(location: string) {
  return {
    module: AppModule,
    imports: [
      CacheModule.registerAsync({
        // With a ConfigService: `inject: [ConfigService], useFactory: (config: ConfigService) => …`
        useFactory: () => ({ stores: [createKeyv({ location, namespace: 'example-nest', ttl: '1m' })] }),
      }),
    ],
    controllers: [UsersController, HealthController],
  };
}

export async function main(location: string) {
  const app = await NestFactory.create(appModule(location), { logger: ['error', 'warn'] });
  try {
    const cache = app.get<Cache>(CACHE_MANAGER);
    await cache.clear(); // a second run then shows the same; deletes only keys of this namespace
    await app.listen(0, '127.0.0.1');

    const url = await app.getUrl();
    const seen: string[] = [];
    const get = async (path: string) => {
      const response = await fetch(`${url}${path}`);
      const text = await response.text();
      const cached = response.headers.get('x-cache');
      seen.push(cached ? `${cached} ${text}` : text);
      console.log(`GET ${path}:`, seen.at(-1));
    };
    for (const path of ['/users', '/users', '/users/0']) await get(path);
    await fetch(`${url}/users`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"name":"Edsger"}' });
    console.log('POST /users');
    for (const path of ['/users', '/users/0', '/health']) await get(path);
    return { seen };
  } finally {
    await app.close(); // closes the stores too
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
