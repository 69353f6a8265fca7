/** What was written, so that it is known afterwards whether a value that was read may be there. */
export interface Write extends Terms {
  readonly key: string;
  readonly seq: number;
  readonly began: number;
  /** The latest moment at which it may have taken effect. Never, where nothing is known of its outcome. */
  latest: number;
  /** When it has expired for sure, by the clock of `performance.now()`. */
  gone: number;
  /** Its writer was told that it failed, and sends nothing more of it. */
  failed?: { readonly by: string; readonly at: number };
}

/** For how long an entry counts, and on what it depends. */
export interface Terms {
  readonly ttl?: number | undefined;
  /** For so long beyond `ttl` it may be served to readers that accept stale values. */
  readonly staleFor?: number;
  readonly tags?: readonly string[];
}

export interface Erasure {
  readonly began: number;
}

/**
 * Where what was sent earlier arrives earlier: `everywhere`, `per writer`, because requests wait in the network or at the server, or
 * `nowhere`, because each connection has a queue of its own there, which outlives the connection.
 */
export type Order = 'everywhere' | 'per writer' | 'nowhere';

/** One reader. */
export interface Reader {
  readonly title: string;
  /** How old an answer may be, in milliseconds: what others have written since need not be known. What he has written himself is. */
  readonly staleness: number;
  /** He reads from replicas: whatever was written once may be there. */
  readonly behind: boolean;
  /** His calls reach Redis in their order: over one connection at a time. */
  readonly ordered: boolean;
}

/** What was known when a read began. */
export interface Read {
  readonly key: string;
  readonly reader: Reader;
  readonly floor: number;
  readonly tags: ReadonlyMap<string, number>;
  readonly at: number;
  readonly mayBeThere: boolean;
  readonly writes: number;
  readonly rolledBack: boolean;
}

/** A value: says by itself where it belongs, and is large now and then, so that a reply spans many packets. */
export interface Value {
  readonly key: string;
  readonly seq: number;
  readonly pad: string;
}
