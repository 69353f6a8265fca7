// NestJS: the documented module, and the bare adapter that Nest wraps itself. Decorators are applied as functions, so that nothing but the compiler is needed.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { CACHE_MANAGER, type Cache, CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { Controller, Get } from '@nestjs/common';
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import { createKeyv, KeyvRedisStore } from 'redis-tier/keyv';

const location = process.env['REDIS'] ?? 'localhost:6379';
const namespace = `${process.env['TITLE']} ${process.pid}`;

class NumbersController {
  calls = 0;
  list() {
    this.calls++;
    return { value: [1, 2, 3] };
  }
}
Controller('numbers')(NumbersController);
Get()(NumbersController.prototype, 'list', Object.getOwnPropertyDescriptor(NumbersController.prototype, 'list') as PropertyDescriptor);

for (const store of [
  () => createKeyv(`redis://${location}`, { namespace: `${namespace}:made` }),
  () => new KeyvRedisStore(location, { namespace: `${namespace}:bare` }),
]) {
  const stores = [store()];
  class AppModule {}
  const app = await NestFactory.create(
    {
      module: AppModule,
      imports: [CacheModule.register({ stores, ttl: 60_000 })],
      controllers: [NumbersController],
      providers: [{ provide: APP_INTERCEPTOR, useClass: CacheInterceptor }],
    },
    { logger: ['error', 'warn'] },
  );
  const cache = app.get<Cache>(CACHE_MANAGER);
  await cache.clear();
  let calls = 0;
  const load = async () => {
    calls++;
    return { value: 999, currency: 'EUR' };
  };
  for (let i = 0; i < 3; i++) assert.deepEqual(await cache.wrap('price', load), { value: 999, currency: 'EUR' });
  assert.equal(calls, 1, `wrap called ${calls} times`);
  await cache.set('k', 'v', 60_000);
  assert.equal(await cache.get('k'), 'v');
  assert.ok(Number(await cache.ttl('k')) > Date.now());
  await cache.del('k');

  await app.listen(0, '127.0.0.1');
  const url = `${await app.getUrl()}/numbers`;
  for (let i = 0; i < 3; i++) assert.deepEqual(await (await fetch(url)).json(), { value: [1, 2, 3] });
  assert.equal(app.get(NumbersController).calls, 1);
  await cache.clear();
  await app.close();
}
