/** Redis's glob-style patterns: `*`, `?`, `[abc]`, `[^a]`, `[a-c]`, and `\` to take a character literally. */

const special = /[\\*?[\]^-]/g;

/** A pattern that matches exactly this text. */
export function escapeGlob(text: string): string {
  return text.replace(special, '\\$&');
}

/** The regular expression that matches what Redis's MATCH would, for engines that run in this process. */
export function globToRegExp(pattern: string): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] as string;
    if (char === '*') source += '[^]*';
    else if (char === '?') source += '[^]';
    else if (char === '[') {
      const [set, end] = characterSet(pattern, i + 1);
      source += set;
      i = end;
    } else source += literal(char === '\\' && i + 1 < pattern.length ? (pattern[++i] as string) : char);
  }
  return new RegExp(`^${source}$`);
}

function characterSet(pattern: string, start: number): [source: string, end: number] {
  let i = start;
  const negated = pattern[i] === '^';
  if (negated) i++;
  let members = '';
  for (; i < pattern.length && pattern[i] !== ']'; i++) {
    if (pattern[i] === '\\' && i + 1 < pattern.length) i++;
    else if (pattern[i + 1] === '-' && i + 2 < pattern.length) {
      const [from, to] = [pattern[i] as string, pattern[i + 2] as string].sort() as [string, string];
      members += `${literal(from)}-${literal(to)}`;
      i += 2;
      continue;
    }
    members += literal(pattern[i] as string);
  }
  if (members === '') return [negated ? '[^]' : '[]', i];
  return [`[${negated ? '^' : ''}${members}]`, i];
}

function literal(char: string): string {
  return /[\w\s]/.test(char) || char.charCodeAt(0) > 127 ? char : `\\${char}`;
}
