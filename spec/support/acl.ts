import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What docs/security.md gives the ACL user beyond the keys and commands that every store needs, by what it is for. */
export type Addition = 'database' | 'name' | 'near' | 'cluster' | 'readFrom' | 'incrVersion' | 'nearOnCluster' | 'sentinel';

/** Lines of the document, by what stands at their end. */
const additions: Readonly<Record<Addition, RegExp>> = {
  database: /^`database` other than 0$/,
  name: /^`name`$/,
  near: /^`near`$/,
  cluster: /^a cluster$/,
  readFrom: /^a cluster, with `readFrom: 'replica'`$/,
  incrVersion: /^a cluster, for `incrVersion`$/,
  nearOnCluster: /^a cluster, with `near`$/,
  sentinel: /^behind sentinels$/,
};

const document = readFileSync(join(__dirname, '..', '..', 'docs', 'security.md'), 'utf8');

/** The rules of the ACL user that docs/security.md gives, without its password: keys and commands. */
export function documentedRules(): { patterns: string[]; commands: string[] } {
  const words = rulesOf('app');
  return { patterns: words.filter((word) => word.startsWith('~')), commands: words.filter((word) => word.startsWith('+')) };
}

/** The commands it needs besides, for this. */
export function documentedAddition(what: Addition): string[] {
  for (const [, commands, purpose] of document.matchAll(/^\| (`\+.*?`) +\| (.*?) +\|$/gm)) {
    if (additions[what].test(purpose as string)) return (commands as string).replace(/[`\\]/g, '').split(' ');
  }
  throw new Error(`docs/security.md has no line about ${additions[what]}`);
}

/** The rules of the user that listens to sentinels, as docs/security.md has it. */
export function documentedListener(): string[] {
  return rulesOf('listener');
}

function rulesOf(user: string): string[] {
  const words = new RegExp(`^user ${user} on (.*)$`, 'm').exec(document)?.[1]?.split(' ') ?? [];
  return words.filter((word) => !word.startsWith('>'));
}

/** The user that sets up and inspects servers whose default user may do no more than a store needs. */
export const admin = { username: 'admin', password: 'adm1n' } as const;
export const adminRules: readonly string[] = ['on', `>${admin.password}`, '~*', '&*', '+@all'];

/** Whether every server that a spec starts lets the stores do no more than docs/security.md says they need: `REDIS_TIER_ACL=minimal`. */
export const minimalEverywhere = process.env['REDIS_TIER_ACL'] === 'minimal';

type Kind = 'server' | 'cluster' | 'sentinel';

/** What the documented user may do on servers of this kind, with keys as the document has them, of any prefix. */
export function minimalRules(kind: Kind = 'server', keys: readonly string[] = anyPrefix()): string[] {
  const own: Record<Kind, readonly Addition[]> = {
    server: [],
    cluster: ['cluster', 'readFrom', 'incrVersion', 'nearOnCluster'],
    sentinel: ['sentinel'],
  };
  const more = (['database', 'name', 'near', ...own[kind]] as const).flatMap(documentedAddition);
  return ['resetchannels', 'resetkeys', '-@all', ...keys, ...documentedRules().commands, ...more];
}

const anyPrefix = (): string[] => documentedRules().patterns.map((pattern) => pattern.replace(/^~cache/, '~*'));

/**
 * Arguments for servers whose default user, as which stores come, is the documented one. The specs themselves, and the
 * servers among each other, are {@link admin}.
 */
export function minimalUsers(kind?: Kind, password?: string, keys?: readonly string[]): string[] {
  return [
    ...['--user', 'default', 'reset', 'on', password === undefined ? 'nopass' : `>${password}`, ...minimalRules(kind, keys)],
    ...['--user', admin.username, ...adminRules, '--masteruser', admin.username, '--masterauth', admin.password],
  ];
}

/**
 * Arguments for a server of stores whose keys have a layout of the user's own, which the documented patterns do not describe: all
 * keys are theirs. Of the commands no more than everywhere.
 */
export const anyLayout = (): string[] => (minimalEverywhere ? minimalUsers('server', undefined, ['~*']) : []);

/** Arguments for a server of examples that show what Redis holds, for which they need more than a store does. */
export const unrestricted: readonly string[] = ['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all'];

/** The user of a spec's own store, if it replaces the specs' client. */
export const asAdmin = minimalEverywhere ? admin : {};

/** Arguments for a server on which this is the only user: everything is forbidden but what stands here. */
export function onlyUser(name: string, password: string, rules: readonly string[]): string[] {
  const app = ['--user', name, 'on', `>${password}`, 'resetchannels', 'resetkeys', '-@all', ...rules];
  return [...app, '--user', 'default', 'off'];
}
