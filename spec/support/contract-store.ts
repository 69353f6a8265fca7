import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { type CacheError, type RedisStore, redisStore, type StoreOptions } from '../../src/index.js';
import type { Setting } from './settings.js';

/** A store for one spec, and what it has told of. */
export interface ContractStore {
  readonly store: RedisStore;
  readonly options: StoreOptions;
  readonly errors: CacheError[];
}

/** Gives each spec of a suite a store of the setting, under a prefix of its own. It may tell of errors with this code, and of no others. */
export function eachStore(setting: Setting, code: string, use: (opened: ContractStore) => void): void {
  let options: StoreOptions;
  let opened: ContractStore;
  before(async () => {
    options = { timeout: 10_000, ...(await setting.options()) };
  });
  after(() => setting.after?.());
  beforeEach(() => {
    opened = { store: redisStore({ ...options, prefix: (setting.scope ?? '') + randomUUID() }), options, errors: [] };
    opened.store.on('error', (error) => opened.errors.push(error));
    use(opened);
  });
  afterEach(async () => {
    const { store, errors } = opened;
    await store.reset();
    await store.disconnect();
    expect(errors.filter((error) => error.code !== code)).to.deep.equal([]);
  });
}
