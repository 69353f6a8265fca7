import { ArgumentError, CacheError, OptionError } from './errors.js';
import { expected, named, shown } from './messages.js';

/** @throws {OptionError} that says what was expected and what came, unless `ok` */
export function check(name: string, what: string, got: unknown, ok: boolean): void {
  if (!ok) throw new OptionError(expected(name, what, got));
}

/** @throws {OptionError} for anything but an integer ≥ `min` */
export function checkInteger(name: string, value: unknown, min = 1): void {
  check(name, `an integer ≥ ${min}`, value, Number.isSafeInteger(value) && (value as number) >= min);
}

/** Like {@link check}, for a value that may be secret: the error does not show it. @throws {OptionError} */
export function checkUnshown(name: string, what: string, ok: boolean): void {
  if (!ok) throw new OptionError(`expected \`${name}\` to be ${what}`);
}

/** The same for an argument of a call. @throws {ArgumentError} unless `ok` */
export function checkArgument(name: string, what: string, got: unknown, ok: boolean): asserts ok {
  if (!ok) throw wrongArgument(name, what, got);
}

/** Says what was expected and the kind of what came, as the arguments of a call may be values. */
export function wrongArgument(name: string, what: string, got: unknown): ArgumentError {
  return new ArgumentError(`expected \`${name}\` to be ${what}, got \`${shown(got)}\``);
}

/** The error of a function in the options that failed. The operation then fails by its failure policy, unlike for a wrong argument. */
export function functionFailed(option: string, cause: unknown): CacheError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CacheError('ERR_OPTION', `the function in the option \`${option}\` failed: ${why}`, { cause });
}

/** Names of options, as a record so that the compiler keeps it complete. */
export type Names = Readonly<Record<string, unknown>>;

/** Whether the value can hold options: an object or a module, not an array, Date, Map, Promise, Buffer or AbortSignal. */
export function isOptions(value: unknown): value is object {
  const tag = Object.prototype.toString.call(value);
  return tag === '[object Object]' || tag === '[object Module]';
}

/** Whether all options are its own: what it inherits, as from a class, would be lost when it is copied. Of any realm, and with no prototype. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The names in `options` that `known` lacks. An explicit `undefined` counts as left out. */
export function unknownNames(options: object, known: Names): string[] {
  return Object.keys(options).filter((name) => !Object.hasOwn(known, name) && (options as Names)[name] !== undefined);
}

/** Refuses unknown names in an option that is an object itself, such as `breaker`. @throws {OptionError} that names each */
export function onlyKnown(where: string, options: object, known: Names): void {
  const unknown = unknownNames(options, known).map((name) => named(name, `${where}.`));
  if (unknown.length > 0)
    throw new OptionError(`unknown option${unknown.length > 1 ? 's' : ''} ${unknown.join(', ')}; it takes ${list(known)}`);
}

/** The same in a call. Its options may be a value in the wrong place, so that unknown names are not shown. @throws {ArgumentError} */
export function onlyKnownInCall(call: string, options: object, known: Names): void {
  const unknown = unknownNames(options, known);
  if (unknown.length === 0) return;
  const meant = new Set(unknown.flatMap((name) => similar(name, Object.keys(known)) ?? []));
  const hint = meant.size > 0 ? `did you mean ${[...meant].map((name) => `\`${name}\``).join(', ')}? It` : 'it';
  throw new ArgumentError(`${call}: unknown option${unknown.length > 1 ? 's' : ''}; ${hint} takes ${list(known)}`);
}

function list(known: Names): string {
  return Object.keys(known).join(', ') || 'no options';
}

/** All names of the options of a call. */
export type NamesOf<Options> = Readonly<Record<keyof Options, true>>;

/** The options of a call, or none if left out. `call`: the method, as an error names it. @throws {ArgumentError} */
export function callOptions<Options extends object>(call: string, options: Options | undefined, known: NamesOf<Options>): Partial<Options> {
  if (options === undefined) return {};
  if (!isOptions(options)) {
    throw wrongArgument(`options of ${call}`, `an object of ${list(known)}`, options);
  }
  onlyKnownInCall(call, options, known);
  return options;
}

/** The known name closest to `name`: equal but for case or plural, or with one or two letters mistyped. */
export function similar(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  const distance = (other: string): number => {
    const low = other.toLowerCase();
    return low === lower || `${low}s` === lower || low === `${lower}s` ? 0 : edits(lower, low);
  };
  const [best] = known
    .map((other) => ({ other, distance: distance(other) }))
    .filter((each) => each.distance <= Math.min(2, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return best?.other;
}

/** The edit distance of two words: letters inserted, deleted, replaced or swapped with their neighbour. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] as number) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
