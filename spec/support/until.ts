import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves as soon as the condition holds. Where the time matters, and not only that it does come about, say `within`, in milliseconds. */
export async function until(condition: () => unknown, within = 15_000): Promise<void> {
  const deadline = performance.now() + within;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${within} ms: ${condition}`);
    await sleep(5);
  }
}
