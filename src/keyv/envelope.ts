import { parse } from '../codec/keyv-json.js';
import type { StoreOptions } from '../options.js';

/** Options whose functions are given the value, though the adapter is given Keyv's envelope around it, as text or as an object. */
export function seeingValues(options: StoreOptions): StoreOptions {
  const { isCacheable, ttl, tags } = options;
  return {
    ...options,
    ...(typeof isCacheable === 'function' ? { isCacheable: (stored: unknown) => isCacheable(valueIn(stored)) } : {}),
    ...(typeof tags === 'function' ? { tags: (key: string, stored: unknown) => tags(key, valueIn(stored)) } : {}),
    ...(typeof ttl === 'function' ? { ttl: (stored: unknown) => ttl(valueIn(stored)) } : {}),
  };
}

function valueIn(stored: unknown): unknown {
  let envelope = stored;
  if (typeof stored === 'string') {
    try {
      envelope = parse(stored);
    } catch {
      // A serializer of the user's own: what it wrote is all there is to see.
      return stored;
    }
  }
  return typeof envelope === 'object' && envelope !== null && 'value' in envelope ? envelope.value : stored;
}
