import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
/** Collects garbage, for figures without it. */
export const collectGarbage = runInNewContext('gc') as () => void;

/** Handles, timers and listeners of the process, and the bytes that are in use. */
export interface Resources {
  readonly handles: Readonly<Record<string, number>>;
  readonly listeners: number;
  readonly heap: number;
}

export async function resources(): Promise<Resources> {
  // A timer that has just fired counts until its turn of the event loop is over.
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  const handles: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo().sort()) handles[name] = (handles[name] ?? 0) + 1;
  const listeners = process.eventNames().reduce((sum, event) => sum + process.listenerCount(event), 0);
  return { handles, listeners, heap: process.memoryUsage().heapUsed };
}

/** The resources as soon as no handle and no listener is left beyond those of `start`, or after `patience` milliseconds. */
export async function settledResources(start: Resources, patience = 2000): Promise<Resources> {
  for (let waited = 0; ; waited += 50) {
    const now = await resources();
    const none = leftOver(start, now).length === 0;
    if (none || waited >= patience) return now;
    await sleep(50);
  }
}

/** What is there now and was not at the start, in words. Memory aside: see {@link Resources.heap}. */
export function leftOver(start: Resources, now: Resources): string[] {
  const more = Object.entries(now.handles).filter(([name, count]) => count > (start.handles[name] ?? 0));
  const words = more.map(([name, count]) => `${count - (start.handles[name] ?? 0)} more ${name}`);
  if (now.listeners > start.listeners) words.push(`${now.listeners - start.listeners} more listeners of the process`);
  return words;
}
