import { expectTypeOf } from 'expect-type';
import { z } from 'zod';
import { type Detailed, type Duration, type DurationText, nullStore, type RedisStore, type TypedStore } from '../src/index.js';

interface User {
  readonly id: number;
  readonly name: string;
}

/** What callers see of the types. The compiler is the judge; running it shows only that nothing of it throws. */
describe('types', () => {
  const store: RedisStore = nullStore();
  const user: User = { id: 1, name: 'Ada' };

  it('of getOrSet are those of the function', async () => {
    expectTypeOf(store.getOrSet('k', () => user)).resolves.toEqualTypeOf<User>();
    expectTypeOf(store.getOrSet('k', async () => user)).resolves.toEqualTypeOf<User>();
    expectTypeOf(store.getOrSet('k', async () => (Math.random() > 1 ? user : undefined))).resolves.toEqualTypeOf<User | undefined>();
    expectTypeOf(store.getOrSet('k', user)).resolves.toEqualTypeOf<User>();
    expectTypeOf(store.getOrSetDetailed('k', async () => user)).resolves.toEqualTypeOf<Detailed<User>>();
    const many = store.getOrSetMany(['k'], async (keys) => new Map(keys.map((key) => [key, user])));
    expectTypeOf(many).resolves.toEqualTypeOf<(User | Error | undefined)[]>();
    expectTypeOf(store.getOrSetMany(['k'], (keys) => keys.map(() => user))).resolves.toEqualTypeOf<(User | Error | undefined)[]>();
    expectTypeOf(store.get<User>('k')).resolves.toEqualTypeOf<User | undefined>();
    expectTypeOf(store.get('k')).resolves.toBeUnknown();
  });

  it('of a typed view are those of its schema, what it takes and what it gives', async () => {
    const events = store.typed({ schema: z.object({ at: z.coerce.date(), size: z.string().transform(Number) }), ttl: '5m' });
    type Input = { at: unknown; size: string };
    type Output = { at: Date; size: number };
    expectTypeOf(events).toEqualTypeOf<TypedStore<Input, Output>>();
    expectTypeOf(events.get('k')).resolves.toEqualTypeOf<Output | undefined>();
    expectTypeOf(events.mget('k')).resolves.toEqualTypeOf<(Output | undefined)[]>();
    expectTypeOf(events.set).parameter(1).toEqualTypeOf<Input>();
    expectTypeOf(events.getOrSet).returns.resolves.toEqualTypeOf<Output>();
    // @ts-expect-error: no size
    const wrong = (): Promise<void> => events.set('k', { at: '2026-01-01' });
    expectTypeOf(wrong).returns.resolves.toBeVoid();
  });

  it('of a memoized function are its own', async () => {
    const byId = async (id: number, locale = 'en'): Promise<User> => ({ id, name: locale });
    const cached = store.memoize(byId, { key: (id, locale) => `${id}:${locale}` });
    expectTypeOf(cached).parameters.toEqualTypeOf<Parameters<typeof byId>>();
    expectTypeOf(cached(1)).resolves.toEqualTypeOf<User>();
    expectTypeOf(cached.refresh(1, 'de')).resolves.toEqualTypeOf<User>();
    expectTypeOf(cached.invalidate).parameters.toEqualTypeOf<Parameters<typeof byId>>();
    // @ts-expect-error: the key is made of the arguments of the function
    const wrong = () => store.memoize(byId, { key: (id: string) => id });
    expectTypeOf(wrong).toBeFunction();
  });

  it('of durations take text that is one', () => {
    for (const text of ['500ms', '90s', '5m', '1.5h', '1d', '1w'] as const) expectTypeOf(text).toExtend<DurationText>();
    expectTypeOf<60_000>().toExtend<Duration>();
    expectTypeOf<'90 seconds'>().not.toExtend<Duration>();
    expectTypeOf<'s'>().not.toExtend<Duration>();
    expectTypeOf<string>().not.toExtend<Duration>();
    // @ts-expect-error: no unit
    const wrong = (): Promise<void> => store.set('k', 1, '90');
    expectTypeOf(wrong).toBeFunction();
  });
});
