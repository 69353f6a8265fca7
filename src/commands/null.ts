import { UnsupportedError } from '../errors.js';
import { type Commands, missing } from './commands.js';

/** The verbs on nothing: every read misses, every write succeeds and is forgotten. */
export function nullCommands(): Commands {
  return {
    get: async () => null,
    getMany: async (keys) => keys.map(() => null),
    getWithTtl: async () => ({ stored: null, left: missing }),
    async set() {},
    setMany: async (entries) => entries.map(() => ({ status: 'fulfilled', value: undefined })),
    add: async () => true,
    replace: async () => false,
    del: async () => 0,
    sweep: async () => 0,
    heads: async (keys) => keys.map(() => null),
    sweepHeads: async () => 0,
    async drop() {},
    delEach: async (keys) => keys.map(() => false),
    getAndDelete: async () => null,
    has: async () => false,
    hasMany: async (keys) => keys.map(() => false),
    pttl: async () => missing,
    pttlMany: async (keys) => keys.map(() => missing),
    expire: async () => null,
    stamp: async (_key, id) => id,
    persist: async () => false,
    incrBy: async (_key, delta, initial) => (initial === undefined ? undefined : initial + delta),
    claim: async () => undefined,
    fill: async () => true,
    retire: async () => false,
    renew: async () => true,
    release: async () => true,
    acquire: () => Promise.reject(new UnsupportedError('a store that stores nothing cannot lock')),
    rename: async () => false,
    async *scan() {},
    async ping() {},
  };
}
