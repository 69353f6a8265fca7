import type { OfflineMemory } from '../near/offline.js';
import type { Sliding } from './sliding.js';

/** The loads under way in this process, as the cache sees them: a write or a deletion overtakes them. */
export interface LoadsUnderWay {
  /** A load of this key is overtaken: later callers do not share it, and its value is not stored. */
  forget(key: string): void;
  forgetThose(test: (key: string) => boolean): void;
  forgetAll(): void;
  /** Later callers do not share any load of now. It is not overtaken. */
  close(): void;
}

/** A write or a deletion overtakes loads and touches. A deletion of many entries also drops what `offline` holds of them. */
export function overtaken(loads: LoadsUnderWay, sliding: Sliding, offline: OfflineMemory | undefined): LoadsUnderWay {
  return {
    forget(key) {
      loads.forget(key);
      sliding.forget(key);
    },
    forgetThose(test) {
      loads.forgetThose(test);
      sliding.forgetAll();
      offline?.evictMatching(test);
    },
    forgetAll() {
      loads.forgetAll();
      sliding.forgetAll();
      offline?.clear();
    },
    close: () => loads.close(),
  };
}
