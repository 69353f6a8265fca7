import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolver } from './installed.js';

/** The package.json of an installed package. */
export interface Manifest {
  /** The folder of the package. */
  readonly folder: string;
  readonly version: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the package says
  readonly exports?: any;
}

/** Reads the package.json of the package that `require(name)` would find from here; `undefined` if there is none. */
export function manifestOf(name: string): Manifest | undefined {
  for (const modules of resolver.resolve.paths(name) ?? []) {
    try {
      const folder = join(modules, name);
      return { ...JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')), folder };
    } catch {
      // Not here: one folder up.
    }
  }
  return undefined;
}
