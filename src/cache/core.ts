import type { CacheContext } from './context.js';
import type { FailurePolicy } from './failure.js';
import type { Tags } from './tags.js';

/** What every part of a cache shares. */
export interface CacheCore {
  readonly context: CacheContext;
  readonly policy: FailurePolicy;
  readonly tags: Tags;
}
