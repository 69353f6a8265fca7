import { type Commands, missing } from './commands.js';

/** The verbs on nothing: every read misses, every write succeeds and is forgotten. */
export function nullCommands(): Commands {
  return {
    get: async () => null,
    getMany: async (keys) => keys.map(() => null),
    async set() {},
    setMany: async (entries) => entries.map(() => ({ status: 'fulfilled', value: undefined })),
    add: async () => true,
    replace: async () => false,
    del: async () => 0,
    delEach: async (keys) => keys.map(() => false),
    getAndDelete: async () => null,
    has: async () => false,
    hasMany: async (keys) => keys.map(() => false),
    pttl: async () => missing,
    pttlMany: async (keys) => keys.map(() => missing),
    expire: async () => false,
    persist: async () => false,
    incrBy: async (_key, delta, initial) => (initial === undefined ? undefined : initial + delta),
    rename: async () => false,
    async *scan() {},
    async ping() {},
  };
}
