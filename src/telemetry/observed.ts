import type { Stored } from '../codec/codec.js';
import type { MaybePromise } from '../codec/serializers.js';
import type { OrderedCommands } from '../commands/in-order.js';
import type { Events } from '../events.js';
import { type KeySpace, namedBy } from '../keys/keyspace.js';
import type { Kept } from '../near/kept.js';
import type { Counters } from './counters.js';

/** Where what is seen goes. */
export interface Observers {
  readonly keys: Pick<KeySpace, 'fromWire' | 'isAside'>;
  readonly counters: Counters;
  readonly events: Events;
}

type Keys = readonly (string | Buffer)[];

/** Counts what is written and deleted, and tells those who listen. The outermost wrapper, so that it sees what the caller asked for. */
export function observed(commands: OrderedCommands, { keys: space, counters, events }: Observers): OrderedCommands {
  const aside = (key: string | Buffer): boolean => space.isAside?.(String(key)) ?? false;
  const callersKey = (wire: string | Buffer): string | undefined => namedBy(space, String(wire));

  function writing(value: MaybePromise<Stored>): void {
    if (!(value instanceof Promise)) counters.write(value);
    // Where encoding it fails, whoever stores the value is told.
    else value.then((encoded) => counters.write(encoded)).catch(() => {});
  }

  /** Tells of the entries that were stored, once they are. */
  function stored<T>(answer: Promise<T>, keys: readonly string[], was: (answer: T, i: number) => boolean = () => true): Promise<T> {
    if (!events.heard.set) return answer;
    return answer.then((given) => {
      for (const [i, key] of keys.entries()) if (was(given, i)) events.emit('set', { key: callersKey(key) });
      return given;
    });
  }

  /** Counts the deletions, and tells of them once they were carried out. */
  function deleting<T>(given: Keys, answer: Promise<T>): Promise<T> {
    const keys = given.some(aside) ? given.filter((key) => !aside(key)) : given;
    counters.deletes += keys.length;
    if (!events.heard.delete) return answer;
    return answer.then((answered) => {
      for (const key of keys) events.emit('delete', { key: callersKey(key) });
      return answered;
    });
  }

  return {
    ...commands,
    set(key, value, ttl) {
      writing(value);
      const answer = commands.set(key, value, ttl);
      // Called so often that a list for nobody can be measured.
      return events.heard.set ? stored(answer, [key]) : answer;
    },
    setMany(entries) {
      for (const { value } of entries) writing(value);
      const keys = entries.map(({ key }) => key);
      return stored(commands.setMany(entries), keys, (results, i) => results[i]?.status === 'fulfilled');
    },
    add(key, value, ttl) {
      // The generation of a tag is no entry.
      if (aside(key)) return commands.add(key, value, ttl);
      writing(value);
      return stored(commands.add(key, value, ttl), [key], Boolean);
    },
    sweepHeads: async (entries) => {
      // Events name no key: which of them were still the same is not answered.
      const count = await commands.sweepHeads(entries);
      counters.deletes += count;
      return count;
    },
    del: (keys, ...rest) => deleting(keys, commands.del(keys, ...rest)),
    sweep: (keys) => deleting(keys, commands.sweep(keys)),
    delEach: (keys, leases) => deleting(keys, commands.delEach(keys, leases)),
    drop: (key, lease) => deleting([key], commands.drop(key, lease)),
    getAndDelete: (key, lease) => deleting([key], commands.getAndDelete(key, lease)),
    async retire(key, claim, mark) {
      const gone = await commands.retire(key, claim, mark);
      if (gone) {
        counters.deletes++;
        if (events.heard.delete) events.emit('delete', { key: callersKey(key) });
      }
      return gone;
    },
    fill(entry, claim) {
      writing(entry.value);
      return stored(commands.fill(entry, claim), [entry.key], Boolean);
    },
  };
}

/** Counts what was read for a caller, and tells those who listen. */
export interface SawReads {
  /** `near`: the near tier answered. */
  read(observers: Observers, operation: string, key: string, stored: Stored | null, near?: boolean): void;
  /** The same for an entry that is at hand. */
  kept(observers: Observers, operation: string, key: string, kept: Pick<Kept, 'stored' | 'bytes'>): void;
}

export const sawReads: SawReads = {
  read({ counters, events }, operation, key, stored, near = false) {
    if (stored === null) {
      counters.misses++;
      if (near) counters.nearMisses++;
      if (events.heard.miss) events.emit('miss', { operation, key });
    } else {
      counters.hit(stored);
      if (near) counters.nearHits++;
      if (events.heard.hit) events.emit('hit', { operation, key, bytes: Buffer.byteLength(stored) });
    }
  },

  // Written out, for a near hit takes so little that everything can be measured.
  kept(observers, operation, key, { stored, bytes }) {
    if (stored === null) return sawReads.read(observers, operation, key, null, true);
    const { counters, events } = observers;
    counters.hits++;
    counters.nearHits++;
    counters.bytesRead += bytes;
    if (events.heard.hit) events.emit('hit', { operation, key, bytes });
  },
};

/** The same for a tier in front of another of the same store: what it does not have, the other counts and tells of. */
export const sawHits: SawReads = {
  read(observers, operation, key, stored, near) {
    if (stored !== null) sawReads.read(observers, operation, key, stored, near);
  },
  kept(observers, operation, key, kept) {
    if (kept.stored !== null) sawReads.kept(observers, operation, key, kept);
  },
};
