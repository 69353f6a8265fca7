import { missingInRedis, type ReadEntry } from '../codec/entry.js';
import { type Commands, missing, type StoredWithTtl } from './commands.js';

/** A command as data. */
export interface Verb {
  /** The command that Redis executes, as traces name it. */
  readonly redis: string;
  readonly keys: (first: never, second: never) => readonly (string | Buffer)[];
  /** `update`: a write whose result depends on what the key holds. `lease`: not about entries. */
  readonly access: 'read' | 'write' | 'update' | 'lease';
  /** Of a read: whether it answers for many keys with an array, what it answers for a missing key, and how many keys an answer found. */
  readonly many?: boolean;
  /** Whether traces name the first key alone, because the command is about one entry. */
  readonly namesFirst?: boolean;
  readonly missing?: unknown;
  readonly hits?: (answer: never) => number;
}

/** The commands that concern keys named by their caller. */
export type VerbName = Exclude<keyof Commands, 'scan' | 'ping'>;

const one = (key: string): readonly string[] => [key];
const many = (keys: readonly (string | Buffer)[]): readonly (string | Buffer)[] => keys;
const ofEntry = ({ key }: { readonly key: string }): readonly string[] => [key];
const ofEntries = (entries: readonly { readonly key: string }[]): readonly string[] => entries.map(({ key }) => key);
const both = (from: string, to: string): readonly string[] => [from, to];
const found = (entry: ReadEntry): number => (entry.found ? 1 : 0);
const foundWithTtl = ({ entry }: StoredWithTtl): number => found(entry);
const existing = (answers: readonly boolean[]): number => answers.filter(Boolean).length;
const foundMany = (entries: readonly ReadEntry[]): number => entries.reduce((sum, entry) => sum + found(entry), 0);

export const verbTable: Readonly<Record<VerbName, Verb>> = {
  get: { redis: 'GET', keys: one, access: 'read', missing: missingInRedis, hits: found },
  getMany: { redis: 'MGET', keys: many, access: 'read', many: true, missing: missingInRedis, hits: foundMany },
  getWithTtl: { redis: 'GET', keys: one, access: 'read', missing: { entry: missingInRedis, left: missing }, hits: foundWithTtl },
  has: { redis: 'EXISTS', keys: one, access: 'read', missing: false, hits: Number },
  hasMany: { redis: 'EXISTS', keys: many, access: 'read', many: true, missing: false, hits: existing },
  pttl: { redis: 'PTTL', keys: one, access: 'read', missing },
  pttlMany: { redis: 'PTTL', keys: many, access: 'read', many: true, missing },
  prefixes: { redis: 'GETRANGE', keys: many, access: 'read', many: true, missing: null },
  set: { redis: 'SET', keys: one, access: 'write' },
  setMany: { redis: 'SET', keys: ofEntries, access: 'write' },
  unlink: { redis: 'UNLINK', keys: many, access: 'write' },
  unlinkEach: { redis: 'UNLINK', keys: many, access: 'write' },
  unlinkUnchanged: { redis: 'EVALSHA', keys: ofEntries, access: 'write' },
  add: { redis: 'SET', keys: one, access: 'update' },
  replace: { redis: 'EVALSHA', keys: one, access: 'update' },
  getAndDelete: { redis: 'GETDEL', keys: one, access: 'update', hits: found },
  getAndExpire: { redis: 'EVALSHA', keys: one, access: 'update', hits: found },
  expireUnchanged: { redis: 'EVALSHA', keys: one, access: 'update' },
  expireNow: { redis: 'EVALSHA', keys: one, access: 'update' },
  expire: { redis: 'PEXPIRE', keys: one, access: 'update' },
  ensureGeneration: { redis: 'EVALSHA', keys: one, access: 'update' },
  expireGeneration: { redis: 'EVALSHA', keys: one, access: 'update' },
  persist: { redis: 'PERSIST', keys: one, access: 'update' },
  incrBy: { redis: 'INCRBY', keys: one, access: 'update' },
  rename: { redis: 'RENAME', keys: both, access: 'update', namesFirst: true },
  setUnderLease: { redis: 'EVALSHA', keys: ofEntry, access: 'update' },
  unlinkUnderLease: { redis: 'EVALSHA', keys: one, access: 'update' },
  claim: { redis: 'EVALSHA', keys: one, access: 'lease' },
  renew: { redis: 'EVALSHA', keys: one, access: 'lease' },
  release: { redis: 'EVALSHA', keys: one, access: 'lease' },
  acquire: { redis: 'EVALSHA', keys: one, access: 'lease' },
};

/** A call of any command: none has more than four arguments. */
export type Call = (a: never, b: never, c: never, d: never) => Promise<never>;

const entries = Object.entries(verbTable) as [VerbName, Verb][];

/** The commands with a wrapper around each one of the table. */
export function wrapEach<C extends Commands>(commands: C, wrap: (verb: Verb, call: Call, name: VerbName) => Call): C {
  const wrapped = { ...commands } as unknown as Record<VerbName, Call>;
  for (const [name, verb] of entries) wrapped[name] = wrap(verb, wrapped[name], name);
  return wrapped as unknown as C;
}
