import type { KeyvModule } from './contract.js';

// For CommonJS. The ES module build uses `installed.mts` instead.

/** Resolves packages from the folder of this package. */
export const resolver: NodeJS.Require = require;

/** Loads the package `keyv`. Throws if it is not installed. The name is a literal for bundlers. */
export function requireKeyv(): KeyvModule {
  return require('keyv') as KeyvModule;
}
