import 'reflect-metadata';
import { CACHE_MANAGER, type Cache, CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { Body, Controller, Get, Inject, Post } from '@nestjs/common';
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import { createKeyv } from '../src/keyv.js'; // in your project: 'redis-tier/keyv'

// Decorators are applied as functions here, so that the file compiles without `experimentalDecorators`. A comment shows the
// usual form in a Nest project.

class UsersController {
  readonly names = ['Ada', 'Grace']; // stands for the database

  constructor(readonly cache: Cache) {} // constructor(@Inject(CACHE_MANAGER) private cache: Cache) {}

  // The interceptor caches the response under the URL, so this runs once a minute for any number of requests.
  list() {
    return { users: this.names, count: this.names.length };
  }

  // A write invalidates the cached response.
  async add(user: { name: string }) {
    this.names.push(user.name);
    await this.cache.del('/users');
  }
}
Inject(CACHE_MANAGER)(UsersController, undefined, 0);
Controller('users')(UsersController); // @Controller('users')
Get()(UsersController.prototype, 'list', method('list')); // @Get()
Post()(UsersController.prototype, 'add', method('add')); // @Post()
Body()(UsersController.prototype, 'add', 0); // add(@Body() user: { name: string })

function method(name: 'list' | 'add'): PropertyDescriptor {
  return Object.getOwnPropertyDescriptor(UsersController.prototype, name) as PropertyDescriptor;
}

class AppModule {}

/** The argument of `@Module({ … })` above AppModule. */
function appModule(location: string) {
  return {
    module: AppModule,
    imports: [
      CacheModule.registerAsync({
        // With a ConfigService: `inject: [ConfigService], useFactory: (config: ConfigService) => …`
        useFactory: () => ({ stores: [createKeyv({ location, namespace: 'example-nest', ttl: 60_000 })] }),
      }),
    ],
    controllers: [UsersController],
    providers: [{ provide: APP_INTERCEPTOR, useClass: CacheInterceptor }],
  };
}

export async function main(location: string) {
  const app = await NestFactory.create(appModule(location), { logger: ['error', 'warn'] });
  try {
    const cache = app.get<Cache>(CACHE_MANAGER);
    await cache.clear(); // a second run then shows the same; deletes only keys of this namespace
    await app.listen(0, '127.0.0.1');

    const url = `${await app.getUrl()}/users`;
    const seen: string[] = [];
    const get = async () => {
      const response = await fetch(url);
      seen.push(`${response.headers.get('x-cache')} ${await response.text()}`);
      console.log('GET /users:', seen.at(-1));
    };
    await get();
    await get();
    await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"name":"Edsger"}' });
    console.log('POST /users');
    await get();
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
