import { expected, OptionError } from '../errors.js';

/** @throws {OptionError} in words, unless `ok` */
export function check(name: string, what: string, got: unknown, ok: boolean): void {
  if (!ok) throw new OptionError(expected(name, what, got));
}
