import { performance } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** So many connections lost under a command that was never answered: a proxy may close them over it. */
const maxLosses = 3;
/** A loss counts if what stands in for the command was answered so shortly before. A connection that is idle for longer may be lost as such. */
const soon: Milliseconds = 10_000;
/** How long a guess holds. */
const memory: Milliseconds = 60_000;

/** What became of a command: `lost` with its connection. `undefined`: what says nothing about it, such as a timeout. */
export type Ending = 'answered' | 'lost' | undefined;

/** What the suspicions of one store share: calls whose command was never answered, those under way and those that were lost. */
export class Trials {
  pending = 0;
  lost = 0;
}

/**
 * Whether a proxy closes connections over a command. A connection that is lost because of the network, or because Redis ends, looks the same.
 * Only a comparison tells: after each loss the next calls send what stands in for the command. If that is lost as well, Redis is unwell,
 * and the losses do not count. If it is answered, the command has its next turn, and one answer clears it for ever.
 */
export class Suspicion {
  readonly #trials: Trials;
  #isCleared = false;
  #losses = 0;
  /** Counts what was found out: connections that were lost under calls of the same round are one loss. */
  #round = 0;
  #isComparing = false;
  #comparedAt = Number.NEGATIVE_INFINITY;
  #heldUntil = Number.NEGATIVE_INFINITY;
  /** Calls under way that sent the command. */
  #pending = 0;

  constructor(trials: Trials) {
    this.#trials = trials;
  }

  /** Whether the command was answered once. */
  get isCleared(): boolean {
    return this.#isCleared;
  }

  /** Whether the guess was made that the command is refused. */
  get isHeld(): boolean {
    return performance.now() < this.#heldUntil;
  }

  /** Whether the next call sends what stands in for the command. Of commands that are suspected together one is tried at a time. */
  get wantsSubstitute(): boolean {
    if (this.#isCleared || this.#losses === 0) return false;
    return this.#isComparing || this.isHeld || this.#trials.pending > this.#pending;
  }

  /** The command is sent. @returns records how that ends */
  begin(): (ending: Ending) => void {
    if (this.#isCleared) return ignore;
    const round = this.#round;
    this.#pending++;
    this.#trials.pending++;
    return (ending) => {
      this.#pending--;
      this.#trials.pending--;
      if (ending === 'answered') this.#isCleared = true;
      if (ending !== 'lost' || this.#isCleared) return;
      this.#trials.lost++;
      if (round === this.#round) this.#lost();
    };
  }

  /** What stands in for the command is sent. @returns records how that ends, and says whether the guess holds */
  compare(): (ending: Ending) => boolean {
    const { lost } = this.#trials;
    return (ending) => {
      if (ending === 'answered') {
        this.#comparedAt = performance.now();
        this.#isComparing = false;
      }
      // If another command was sent that may be refused, that may be the reason.
      if (ending === 'lost' && this.#trials.pending === 0 && this.#trials.lost === lost) {
        this.#losses = 0;
        this.#isComparing = false;
        this.#heldUntil = Number.NEGATIVE_INFINITY;
      }
      return this.isHeld;
    };
  }

  #lost(): void {
    const now = performance.now();
    this.#round++;
    this.#isComparing = true;
    this.#losses = now - this.#comparedAt > soon ? 1 : this.#losses + 1;
    if (this.#losses < maxLosses) return;
    this.#heldUntil = now + memory;
    // Afterwards one more loss is enough.
    this.#losses--;
  }
}

function ignore(): void {}
