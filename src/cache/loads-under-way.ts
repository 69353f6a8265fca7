import type { OfflineMemory } from '../near/offline.js';

/** The loads under way in this process, as the cache sees them: a write or a deletion overtakes them. */
export interface LoadsUnderWay {
  /** A load of this key is overtaken: later callers do not share it, and its value is not stored. */
  forget(key: string): void;
  forgetThose(test: (key: string) => boolean): void;
  forgetAll(): void;
  /** Later callers do not share any load of now. It is not overtaken. */
  close(): void;
}

/** A deletion of many entries overtakes loads, and drops what `offline` holds of them. */
export function forgettingToo(loads: LoadsUnderWay, offline: OfflineMemory): LoadsUnderWay {
  return {
    forget: (key) => loads.forget(key),
    forgetThose(test) {
      loads.forgetThose(test);
      offline.evictMatching(test);
    },
    forgetAll() {
      loads.forgetAll();
      offline.clear();
    },
    close: () => loads.close(),
  };
}
