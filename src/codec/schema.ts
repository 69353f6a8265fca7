import { SchemaError, type SchemaIssue } from '../errors.js';
import type { MaybePromise } from './serializers.js';

/**
 * A schema of any library that follows Standard Schema (https://standardschema.dev): zod, valibot, arktype and others. This is the interface
 * of its version 1.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema says of a value. */
export type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

/** Whether the value is a schema. Those of some libraries are functions. */
export function isSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as Partial<StandardSchema>)['~standard'];
  return standard?.version === 1 && typeof standard.validate === 'function';
}

/**
 * What the schema makes of a value. `isStored`: the value was stored before. What the schema says of it may quote it, so only the places are
 * told.
 *
 * @throws {SchemaError} if the value does not match; rejects with it if the schema takes time
 */
export function validated(schema: StandardSchema, value: unknown, isStored: boolean): MaybePromise<unknown> {
  const taken = (result: SchemaResult<unknown>): unknown => {
    if (result.issues === undefined) return result.value;
    throw new SchemaError(result.issues.map(placeOf), isStored ? undefined : result.issues);
  };
  const result = schema['~standard'].validate(value);
  return result instanceof Promise ? result.then(taken) : taken(result);
}

function placeOf({ path = [] }: SchemaIssue): string {
  return path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
}
