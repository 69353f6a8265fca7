import { callOptions } from '../call-options.js';
import { ArgumentError, expected } from '../errors.js';
import { isVersion, versions } from '../keys/keyspace.js';

/** What `clear` drops where it is not this store's own entries. */
export interface ClearOptions {
  /** The entries of another version. */
  readonly version?: string | number;
  /** The entries of every version, those without one included. */
  readonly allVersions?: boolean | undefined;
  /**
   * This store's own entries, in one step: none of them is read any more, and they are deleted in the background, at once or by
   * `sweep` in any later process. Needs the option `lazyClear`.
   */
  readonly lazy?: boolean | undefined;
}

/**
 * Checks what to clear, before anything is sent. `version: undefined` is refused and does not count as left out: a caller that
 * names another version must not lose the entries of this one.
 *
 * @throws {ArgumentError} for what cannot be understood
 */
export function parseClear(options: ClearOptions | undefined): ClearOptions {
  const scope = callOptions('clear', options, { version: true, allVersions: true, lazy: true });
  const { version, allVersions, lazy } = scope;
  if ('version' in scope && !isVersion(version)) throw new ArgumentError(expected('version', versions, version));
  check('allVersions', allVersions);
  check('lazy', lazy);
  if (allVersions && version !== undefined) {
    throw new ArgumentError(expected('version', 'left out beside `allVersions`', version));
  }
  return scope;
}

function check(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw new ArgumentError(expected(name, 'a boolean', value));
}
