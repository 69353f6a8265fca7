import { ArgumentError, expected } from './errors.js';
import { isOptions, type Names, unknownNames, unknownOptions } from './known-names.js';

/** The names of the options of a call, none forgotten. */
export type NamesOf<Options> = Readonly<Record<keyof Options, true>>;

/**
 * The options of a call, with known names only. Where they are left out: none.
 *
 * @param call the method, as an error names it
 * @throws {ArgumentError} for an unknown name, and for what is no object of options
 */
export function callOptions<Options extends object>(call: string, options: Options | undefined, known: NamesOf<Options>): Partial<Options> {
  if (options === undefined) return {};
  if (!isOptions(options)) {
    throw new ArgumentError(expected(`options of ${call}`, `an object of ${Object.keys(known).join(', ')}`, options));
  }
  const unknown = unknownNames(options, known as Names);
  if (unknown.length > 0) throw new ArgumentError(`${call}: ${unknownOptions(unknown, known as Names)}`);
  return options;
}
