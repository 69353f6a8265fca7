import { AbortedError, ClosedError, UnsupportedError } from '../errors.js';
import { abortable } from '../time/waiting.js';
import type { Commands } from './commands.js';
import { verbTable, wrapEach } from './verbs.js';

/** Commands on nothing: every read misses, every write succeeds and is forgotten. */
export function nullCommands(): Commands {
  const reads = Object.entries(verbTable)
    .filter(([, { access }]) => access === 'read')
    .map(([name, { many, missing }]) => [name, async (keys: readonly unknown[]) => (many ? keys.map(() => missing) : missing)]);
  return {
    ...(Object.fromEntries(reads) as Commands),
    async set() {},
    setMany: async (entries) => entries.map(() => ({ status: 'fulfilled', value: undefined })),
    unlink: async () => 0,
    unlinkEach: async (keys) => keys.map(() => false),
    unlinkUnchanged: async () => 0,
    add: async () => true,
    replace: async () => false,
    getAndDelete: async () => verbTable.get.missing as never,
    getAndExpire: async () => verbTable.get.missing as never,
    expireUnchanged: async () => false,
    expireNow: async () => false,
    expire: async () => null,
    ensureGeneration: async (_key, id) => id,
    async expireGeneration() {},
    persist: async () => false,
    incrBy: async (_key, delta, initial) => (initial === undefined ? undefined : initial + delta),
    rename: async () => false,
    claim: async () => false,
    setUnderLease: async () => true,
    unlinkUnderLease: async () => false,
    renew: async () => true,
    release: async () => true,
    acquire: () => Promise.reject(new UnsupportedError('a store that stores nothing cannot lock')),
    async *scan() {},
    async ping() {},
  };
}

/** Commands answered in this process that can be closed, as a connection can. Afterwards each rejects. */
export class ClosableCommands {
  readonly commands: Commands;
  closed = false;

  constructor(commands: Commands) {
    const check = (): void => {
      if (this.closed) throw new ClosedError();
    };
    this.commands = {
      ...wrapEach(commands, (_verb, call) => async (a, b, c, d) => {
        check();
        return call(a, b, c, d);
      }),
      async *scan(...args) {
        check();
        yield* commands.scan(...args);
      },
      async ping() {
        check();
        await commands.ping();
      },
    };
  }

  close(): void {
    this.closed = true;
  }
}

/** Commands answered in this process, for a caller with a signal: each rejects once that is aborted, as on a connection. */
export function abortableCommands(commands: Commands, signal: AbortSignal): Commands {
  return {
    ...wrapEach(commands, (_verb, call) => (a, b, c, d) => abortable(signal, () => call(a, b, c, d))),
    async *scan(...args) {
      if (signal.aborted) throw new AbortedError(signal.reason);
      for await (const page of commands.scan(...args)) {
        yield page;
        if (signal.aborted) throw new AbortedError(signal.reason);
      }
    },
    ping: () => abortable(signal, () => commands.ping()),
  };
}
