import type { Condition } from './condition.js';

/** What all connections through a proxy share in one direction. Nothing overtakes anything in it. */
export class Pipe {
  #since = performance.now();
  /** When the last byte that was taken leaves it. */
  #last = 0;

  /** The network has changed: a ramp begins now. */
  begin(): void {
    this.#since = performance.now();
    this.#last = 0;
  }

  /** When bytes that are taken now arrive. */
  due(bytes: number, condition: Condition): number {
    const now = performance.now();
    if (condition.kind === 'narrow') this.#last = Math.max(now, this.#last) + (1000 * bytes) / condition.bytesPerSecond;
    else if (condition.kind === 'ramp') this.#last = Math.max(this.#last, now + this.#latency(now, condition));
    else return now;
    return this.#last;
  }

  /** Of one way: half a round trip. */
  #latency(now: number, { from, to, over }: Condition & { kind: 'ramp' }): number {
    const elapsed = (now - this.#since) / over;
    const height = Math.max(0, 1 - Math.abs(1 - 2 * elapsed));
    return (from + (to - from) * height) / 2;
  }
}
