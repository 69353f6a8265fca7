import type { MaybePromise } from '../codec/serializers.js';
import type { Factory } from './factory.js';
import type { LoadPlan } from './load-options.js';
import type { Flight } from './single-flight.js';

/** What is to be loaded. */
export interface Load {
  readonly key: string;
  readonly wire: string;
  /** The key of the lease; `undefined` where there can be none. */
  readonly lease: string | undefined;
  readonly make: Factory<unknown>;
  readonly plan: LoadPlan;
}

/** A load under way. */
export interface Run extends Load {
  readonly flight: Flight;
}

/** A value, for one caller; and copies of it for those who shared the call, so that nobody's changes are seen by another. */
export interface Outcome {
  readonly value: unknown;
  copy(): MaybePromise<unknown>;
}

/** The outcome for a value that callers may share. */
export function plainOutcome(value: null | undefined): Outcome {
  return { value, copy: () => value };
}

/** Whether a caller could change the value, so that others need copies of it. */
export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
