import { setTimeout as sleep } from 'node:timers/promises';

/** For each spec, in place of mocha's timeout. */
const limit = 40_000;

/**
 * An `it` for specs that mostly wait: those of a suite that declares `const it = sideBySide()` run at the same time, or so many at a
 * time, as soon as the first of them is due. Each needs its own stores, proxies and servers; what they open is closed when the last
 * has ended.
 */
export function sideBySide(atATime = Number.POSITIVE_INFINITY): (title: string, spec: () => Promise<void>) => void {
  const specs: (() => Promise<void>)[] = [];
  async function run(): Promise<PromiseSettledResult<void>[]> {
    const outcomes: PromiseSettledResult<void>[] = [];
    const waiting = specs.entries();
    const work = async (): Promise<void> => {
      for (const [index, spec] of waiting) [outcomes[index]] = await Promise.allSettled([inTime(spec)]);
    };
    await Promise.all(Array.from({ length: Math.min(atATime, specs.length) }, work));
    return outcomes;
  }
  let outcomes: Promise<PromiseSettledResult<void>[]> | undefined;
  return (title, spec) => {
    const index = specs.push(spec) - 1;
    it(title, async function () {
      this.timeout(0);
      outcomes ??= run();
      const outcome = (await outcomes)[index] as PromiseSettledResult<void>;
      if (outcome.status === 'rejected') throw outcome.reason;
    });
  };
}

async function inTime(spec: () => Promise<void>): Promise<void> {
  const timer = new AbortController();
  const late = sleep(limit, undefined, timer).then(() => {
    throw new Error(`the spec has not ended after ${limit} ms`);
  });
  late.catch(() => {});
  try {
    await Promise.race([spec(), late]);
  } finally {
    timer.abort();
  }
}
