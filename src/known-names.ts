import { OptionError } from './errors.js';

/** Names of options: a record, so that the compiler keeps it complete. */
export type Names = Readonly<Record<string, unknown>>;

/** Whether the value can hold options: an object or a module, and no array, Date, Map, Promise, Buffer or AbortSignal. */
export function isOptions(value: unknown): value is object {
  const tag = Object.prototype.toString.call(value);
  return tag === '[object Object]' || tag === '[object Module]';
}

/** The names in `options` that `known` does not have. An explicit `undefined` counts as left out. */
export function unknownNames(options: object, known: Names): string[] {
  return Object.keys(options).filter((name) => !Object.hasOwn(known, name) && (options as Names)[name] !== undefined);
}

/** Refuses unknown names in an option that is an object itself, such as `breaker`. @throws {OptionError} that names each */
export function onlyKnown(where: string, options: object, known: Names): void {
  const unknown = unknownNames(options, known);
  if (unknown.length > 0)
    throw new OptionError(
      unknownOptions(
        unknown.map((name) => `${where}.${name}`),
        known,
      ),
    );
}

/** ``unknown options `a`, `b`; it takes c, d`` */
export function unknownOptions(unknown: readonly string[], known: Names): string {
  const takes = Object.keys(known).join(', ') || 'no options';
  return `unknown option${unknown.length > 1 ? 's' : ''} ${unknown.map((name) => `\`${name}\``).join(', ')}; it takes ${takes}`;
}
