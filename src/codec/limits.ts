import { constants } from 'node:buffer';
import { check } from '../checks.js';
import { LimitError } from '../errors.js';
import type { Stored } from './entry.js';
import { type CountCheck, type Counts, roomUnit, skimJson } from './skim-json.js';

/** The options for how large a value may be. */
export interface LimitOptions {
  /**
   * The maximum size of a stored value in bytes ≥ 1, header excluded. A larger one is a miss with an `error` event when read, and is not
   * stored when written. Default 64 MiB.
   */
  readonly maxValueSize?: number | undefined;
  /**
   * The maximum of arrays and objects in one value, ≥ 1, so that few stored bytes can neither fill the memory nor hold up the process. Ten
   * times as many elements and members and five times as many strings are read. A value with more is a miss with an `error` event when read,
   * and is not stored when written. `Infinity` for no limit. Default 100 000.
   */
  readonly maxContainers?: number | undefined;
  /**
   * The maximum size of a decompressed value in bytes ≥ 1, so that few stored bytes cannot fill the memory. A larger value is a miss with an
   * `error` event when read, and is stored uncompressed when written. Default 8 MiB.
   */
  readonly maxDecompressedSize?: number | undefined;
}

/** A count of what the bytes of a format hold, without making a value of them. */
export type Skim = (bytes: Buffer, check: CountCheck) => Counts;

/** What is added to the bytes of a value that is encrypted, at most. */
const maxEnvelope = 128;

/** What a value may take of each of its bytes before it takes of the quota, so that ordinary values never use it up. */
const free = { bytes: 20, containers: 1 / 8, places: 1 / 2 };

/** What the values of one call may take together beyond what is free: at most twice what one value may. */
export interface Quota {
  /** How many values the call reads: its deadline grows with them. */
  readonly values: number;
  /** Bytes that may still be decompressed. */
  bytes: number;
  containers: number;
  places: number;
  /** Characters of short texts, which need no count as long as this lasts. */
  characters: number;
}

/** The limits of one store: what is refused before it becomes a value. */
export class Limits {
  readonly maxDecompressedSize: number;
  readonly #maxValueSize: number;
  readonly #maxContainers: number;

  /** @throws {OptionError} for a wrong option */
  constructor({ maxValueSize = 64 * 2 ** 20, maxContainers = 100_000, maxDecompressedSize = 8 * 2 ** 20 }: LimitOptions) {
    for (const [name, size] of Object.entries({ maxValueSize, maxDecompressedSize })) {
      const isSize = Number.isInteger(size) && size >= 1 && size <= constants.MAX_LENGTH;
      check(name, `an integer of bytes from 1 to ${constants.MAX_LENGTH}`, size, isSize);
    }
    const isCount = maxContainers === Number.POSITIVE_INFINITY || (Number.isSafeInteger(maxContainers) && maxContainers >= 1);
    check('maxContainers', 'an integer ≥ 1, or Infinity', maxContainers, isCount);
    this.maxDecompressedSize = maxDecompressedSize;
    this.#maxValueSize = maxValueSize;
    this.#maxContainers = maxContainers;
  }

  /** What one call may read that asks for many values. */
  newQuota(values: number): Quota {
    const max = this.#maxContainers;
    return { values, bytes: 2 * this.maxDecompressedSize, containers: 2 * max, places: 10 * max, characters: 10 * max };
  }

  /** The length of a text that is parsed uncounted: each of the counts takes at least two characters. */
  get uncounted(): number {
    return 2 * this.#maxContainers;
  }

  /** What becomes of so many bytes at no cost to the quota, when they are decompressed. */
  freeBytes(payload: Buffer): number {
    return payload.length * free.bytes;
  }

  /** @throws {LimitError} for more bytes than are decoded or written at all */
  checkSize(payload: Stored, isSealed = false): void {
    const max = this.#maxValueSize + (isSealed ? maxEnvelope : 0);
    // No character has more than three bytes.
    if (payload.length > max || (typeof payload === 'string' && payload.length * 3 > max && Buffer.byteLength(payload) > max)) {
      throw new LimitError(`the value is larger than \`maxValueSize\`, ${this.#maxValueSize} bytes`);
    }
  }

  /** @throws {LimitError} for a text of more than JSON.parse may be given */
  checkText(text: string, quota?: Quota): void {
    const isShort = text.length <= this.uncounted;
    if (isShort && quota === undefined) return;
    if (isShort && quota !== undefined) {
      quota.characters -= text.length;
      if (quota.characters >= 0) return;
    }
    this.#charge(skimJson(text, this.#check), text.length, quota);
  }

  /** The same for the bytes of a format that this store knows. */
  checkBytes(bytes: Buffer, skim: Skim, quota?: Quota): void {
    if (this.#maxContainers !== Number.POSITIVE_INFINITY) this.#charge(skim(bytes, this.#check), bytes.length, quota);
  }

  /** What a serializer made, if it can be read again. @throws {LimitError} if not */
  written<T>(payload: T, skim?: Skim): T {
    if (typeof payload === 'string') this.checkText(payload);
    else if (skim && Buffer.isBuffer(payload)) this.checkBytes(payload, skim);
    return payload;
  }

  readonly #check = ({ containers, places, reserved, room, strings, shapes }: Counts): void => {
    const max = this.#maxContainers;
    if (containers > max) throw this.#tooMany(max, 'arrays and objects');
    if (places + room > 10 * max || reserved > 10 * max) throw this.#tooMany(10 * max, 'members and elements');
    if (strings > 5 * max) throw this.#tooMany(5 * max, 'strings');
    if (shapes > max) throw this.#tooMany(max, 'different sequences of member names');
  };

  #charge(counts: Counts, size: number, quota: Quota | undefined): void {
    if (quota === undefined) return;
    const containers = Math.max(0, counts.containers - size * free.containers);
    // Empty room in full: an object with one member takes twelve kilobytes if that is at index 1023.
    const room = counts.room * roomUnit;
    const places = Math.max(0, Math.max(counts.places, counts.reserved) + room - size * free.places);
    if (containers > quota.containers || places > quota.places)
      throw new LimitError('the values of this call hold more together than `maxContainers` allows');
    quota.containers -= containers;
    quota.places -= places;
  }

  #tooMany(count: number, what: string): LimitError {
    return new LimitError(`the value holds more than ${count} ${what}: see \`maxContainers\``);
  }
}
