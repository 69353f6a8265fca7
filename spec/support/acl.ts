import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The rules of the ACL user that docs/security.md gives, without its password: keys and commands. */
export function documentedRules(): { patterns: string[]; commands: string[] } {
  const document = readFileSync(join(__dirname, '..', '..', 'docs', 'security.md'), 'utf8');
  const words = /^user app on (.*)$/m.exec(document)?.[1]?.split(' ') ?? [];
  return { patterns: words.filter((word) => word.startsWith('~')), commands: words.filter((word) => word.startsWith('+')) };
}

/** Arguments for a server on which this is the only user: everything is forbidden but what stands here. */
export function onlyUser(name: string, password: string, rules: readonly string[]): string[] {
  const app = ['--user', name, 'on', `>${password}`, 'resetchannels', 'resetkeys', '-@all', ...rules];
  return [...app, '--user', 'default', 'off'];
}
