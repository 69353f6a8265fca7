import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { KeyvModule } from './contract.js';

// For ES modules: the build replaces `installed.ts` by this file.

/** Resolves packages from the folder of this package, or, in a bundle, from the working directory. */
export const resolver: NodeJS.Require = createRequire(import.meta.url || `${process.cwd()}/`);

/** Loads the package `keyv`. Throws if it is not installed. */
export function requireKeyv(): KeyvModule {
  // For bundlers, which include the package. Node has no `require` in ES modules.
  if (typeof require === 'function') return require('keyv') as KeyvModule;
  try {
    // The same classes as of `import 'keyv'`, so that `instanceof Keyv` holds. Node 20.19 and 22.12 or later.
    return resolver(fileURLToPath(import.meta.resolve('keyv'))) as KeyvModule;
  } catch {
    return resolver('keyv') as KeyvModule;
  }
}
