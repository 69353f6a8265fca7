import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { KeyvModule } from './contract.js';

// For ES modules: the build puts this in the place of `installed.ts`.

/** Resolves packages from where this package is installed. A bundle has no file to resolve from. */
export const resolver: NodeJS.Require = createRequire(import.meta.url || `${process.cwd()}/`);

/** The package `keyv`, which only `createKeyv` needs. Throws if it is not there. */
export function requireKeyv(): KeyvModule {
  // Bundlers see the name and put the package in; in Node there is no `require` here.
  if (typeof require === 'function') return require('keyv') as KeyvModule;
  try {
    // The same classes as `import 'keyv'` gives, so that `instanceof Keyv` holds. From Node 20.19 and 22.12 on.
    return resolver(fileURLToPath(import.meta.resolve('keyv'))) as KeyvModule;
  } catch {
    return resolver('keyv') as KeyvModule;
  }
}
