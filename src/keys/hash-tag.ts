/** The part of a key that decides its slot, as Redis finds it: what is in the first braces, or the whole key if that is nothing. */
export function hashTag<K extends string | Buffer>(key: K): K {
  const open = key.indexOf('{');
  const end = open < 0 ? -1 : key.indexOf('}', open + 1);
  if (end <= open + 1) return key;
  return (typeof key === 'string' ? key.slice(open + 1, end) : key.subarray(open + 1, end)) as K;
}

/** Encodes braces that begin and do not end, or hold nothing: behind them, no two keys could be told to share a slot. */
export function withoutBrokenTag(prefix: string): string {
  return hashTag(prefix) === prefix ? prefix.replaceAll('{', '%7B') : prefix;
}
