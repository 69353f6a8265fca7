import { fileURLToPath } from 'node:url';
import type { KeyvModule } from './contract.js';
import { resolver } from './installed.js';

/** What is used of a Keyv 6. */
interface Keyv6 {
  get(key: string | string[], ...rest: unknown[]): Promise<unknown>;
  getMany(keys: string[], ...rest: unknown[]): Promise<unknown[]>;
  getRaw(key: string): Promise<unknown>;
  getManyRaw(keys: string[]): Promise<unknown[]>;
}

const taught = new WeakSet<object>();

/**
 * Has Keyv 6 answer `get` and `getMany` with `{ raw: true }` as Keyv 5 does: with the envelope. cache-manager 6 and 7 ask so, and take
 * `.value` of the answer. Keyv 6 ignores the option, so `wrap` would give an object's own `value` property in place of the object. Calls without
 * `raw` are as they were.
 */
export function answerRawReads(keyv: KeyvModule): void {
  const prototype = keyv.KeyvBridgeAdapter ? (keyv.Keyv?.prototype as Keyv6 | undefined) : undefined;
  if (!prototype || taught.has(prototype)) return;
  taught.add(prototype);
  const { get, getMany } = prototype;
  prototype.get = async function (this: Keyv6, key, ...rest) {
    if (!asksRaw(rest)) return get.call(this, key, ...rest);
    return Array.isArray(key) ? this.getManyRaw(key) : this.getRaw(key);
  };
  prototype.getMany = async function (this: Keyv6, keys, ...rest) {
    return asksRaw(rest) ? this.getManyRaw(keys) : getMany.call(this, keys, ...rest);
  };
}

function asksRaw([options]: readonly unknown[]): boolean {
  return (options as { raw?: unknown } | undefined)?.raw === true;
}

/**
 * The same for the Keyv that calls `called`. An adapter is never given the Keyv around it, but Keyv's file is on the stack; it is loaded, so
 * to require it gives the module that is in use, whichever of several copies that is.
 */
export function answerRawReadsOfCaller(called: (...args: never[]) => unknown): void {
  const file = callerOf(called);
  if (file === undefined || looked.has(file)) return;
  looked.add(file);
  try {
    const keyv = resolver(file.startsWith('file:') ? fileURLToPath(file) : file) as KeyvModule;
    answerRawReads(keyv);
    if (keyv.KeyvBridgeAdapter) return;
  } catch {
    // A bundle that is still being evaluated.
  }
  process.emitWarning('the Keyv 6 around an adapter cannot be reached, as in a bundle: if it is for cache-manager, make it by createKeyv', {
    code: 'REDIS_TIER_KEYV',
  });
}

const looked = new Set<string>();

function callerOf(called: (...args: never[]) => unknown): string | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const trace: { stack?: readonly NodeJS.CallSite[] } = {};
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_error, sites) => sites;
    Error.captureStackTrace(trace, called);
    return trace.stack?.[0]?.getFileName() ?? undefined;
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}
