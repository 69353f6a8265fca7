import type { Stored } from '../codec/codec.js';

/** The reads of a load, over a connection whose server tells what changes. */
export interface TrackedReads {
  /**
   * GET by one who makes the value where there is none, which is the rule: what it takes to keep an answer (PTTL) is asked only once
   * there is one, and waited for by nobody.
   */
  get(key: string): Promise<Stored | null>;
  /** For waiting until one of the keys changes; `undefined` while nobody would tell. Whoever has it ends it. */
  watch(keys: readonly string[]): Watch | undefined;
}

/** Begun before the keys are read, so that no change falls between reading and waiting. */
export interface Watch {
  /** Aborted as soon as one of the keys may have changed, or nobody would tell of it any more. */
  readonly signal: AbortSignal;
  /** MGET. From its answer on the server tells of the next change. */
  read(): Promise<(Stored | null)[]>;
  end(): void;
}
