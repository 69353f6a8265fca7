import type { KeyvModule } from './contract.js';

// For CommonJS. The ES module build has `installed.mts` in its place.

/** Resolves packages from where this package is installed. */
export const resolver: NodeJS.Require = require;

/** The package `keyv`, which only `createKeyv` needs. Throws if it is not there. The name is spelled out, for bundlers. */
export function requireKeyv(): KeyvModule {
  return require('keyv') as KeyvModule;
}
