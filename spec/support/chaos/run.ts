import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Figures } from './calls.js';
import { type Face, openFace } from './faces.js';
import { History } from './history.js';
import { Load } from './load.js';
import { MemoryWatch } from './memory-watch.js';
import type { Random } from './random.js';
import { leftOver, resources, settledResources } from './resources.js';
import { type Topology, timeout } from './topology.js';

/** One fault, and how long it lasts, in milliseconds. */
export interface Step {
  readonly fault: string;
  readonly length: number;
}

export interface Outcome extends Figures {
  /** What must not happen, in words; the first fifty. */
  readonly violations: readonly string[];
  /** The longest that a store took to work again after a fault was over, in milliseconds. */
  readonly recovered: number;
  /** Bytes that were in use during a fault, beyond those of before. */
  readonly held: number;
  /** Bytes in use after everything was closed, beyond those of before. */
  readonly grown: number;
}

/** How far past it a call may settle. */
export const slack = 250;
/** How long a store may take to work again. */
const recovery = 2000;
/** Keys that have to be written and read in a row, for a store to count as working. */
const probes = 16;
/** Load before the first fault and after each, without any. */
const calm = 300;
/** After a fault: what is still in the kernel's and the proxy's buffers arrives within this. */
export const quiet = 300;

/**
 * Puts the topology's stores under load, lets the faults happen one after another, and checks what must hold. Opens the stores,
 * closes them, and leaves the topology healed.
 */
export async function run(topology: Topology, steps: readonly Step[], random: Random, onStep?: () => void): Promise<Outcome> {
  await topology.whole?.();
  const before = await resources();
  const stray = catchStray();
  const result = await underLoad(topology, steps, random, onStep);
  stray.stop();
  await topology.whole?.();
  const after = await settledResources(before);
  const violations = [...result.violations, ...stray.caught, ...leftOver(before, after).map((words) => `after disconnect(): ${words}`)];
  return { ...result, violations, grown: after.heap - before.heap };
}

async function underLoad(topology: Topology, steps: readonly Step[], random: Random, onStep?: () => void): Promise<Omit<Outcome, 'grown'>> {
  const history = new History();
  const load = new Load(history, { timeout, slack, loops: 4, rest: 12 });
  const prefix = randomUUID();
  const faces = topology.stores.map((store, i) => openFace(store, { prefix, timeout }, i % 2 === 0));
  const [loadRandom, faultRandom] = [random.fork(), random.fork()];
  let recovered = 0;
  load.start(faces, loadRandom);
  await sleep(calm);
  let held = 0;
  for (const { fault, length } of steps) {
    await topology.whole?.();
    // Of this fault: the history of the run grows with each.
    const memory = new MemoryWatch();
    history.phase = fault;
    if (topology.rollsBack?.includes(fault)) history.rollBack();
    history.order = topology.order(fault);
    const { accepted = 0 } = topology;
    await topology.inject(fault, faultRandom);
    await sleep(length);
    const dialled = (topology.accepted ?? 0) - accepted;
    if (dialled > 100 + length / 2) history.violation(`${dialled} connections within ${length} ms`);
    for (const growth of memory.check()) history.violation(growth);
    memory.stop();
    held = Math.max(held, memory.grown);
    await topology.heal();
    const times = await Promise.all([...faces.map((face) => timeToRecover(face, history)), timeToLeave(topology, history)]);
    recovered = Math.max(recovered, ...times);
    await load.pause();
    await sleep(quiet);
    history.settle();
    onStep?.();
    load.start(faces, loadRandom);
    await sleep(calm);
  }
  await load.pause();
  load.stop();
  await closeAll(faces, history);
  topology.released?.();
  return { ...load.figures, violations: history.violations, recovered, held };
}

/** Writes and reads one key after another until that has worked for all in a row; since when, in milliseconds. The calls alone must bring the store back. */
export async function timeToRecover(face: Face, history: History, within = recovery): Promise<number> {
  const start = performance.now();
  const since = (): number => performance.now() - start;
  let worksSince: number | undefined;
  for (let streak = 0; streak < probes; ) {
    const asked = since();
    // Keys of many slots, so that every primary of a cluster is asked.
    const works = await answers(face, `probe${streak}`);
    if (works) worksSince ??= asked;
    else worksSince = undefined;
    streak = works ? streak + 1 : 0;
    if (since() > within + timeout + slack && !works) {
      history.violation(`${face.title} is ${face.status()} and does not work ${Math.round(since())} ms after the fault was over`);
      return since();
    }
    await sleep(5);
  }
  const time = worksSince ?? since();
  if (time > within) history.violation(`${face.title} worked again only ${Math.round(time)} ms after the fault was over`);
  return time;
}

/** How long stores stay with a node that was left behind: they work there, and what they write is lost. */
async function timeToLeave(topology: Topology, history: History): Promise<number> {
  const start = performance.now();
  const patience = new AbortController();
  const late = sleep(recovery, 'late', { signal: patience.signal }).catch(() => undefined);
  if ((await Promise.race([topology.left?.(), late])) === 'late') history.violation('stores stay with a node that was left behind');
  patience.abort();
  return performance.now() - start;
}

async function answers(face: Face, key: string): Promise<boolean> {
  try {
    return (await face.set(key, { key, seq: 0, pad: '' })) && (await face.get(key)) !== undefined;
  } catch {
    return false;
  }
}

async function closeAll(faces: readonly Face[], history: History): Promise<void> {
  await Promise.all(
    faces.map(async (face) => {
      const start = performance.now();
      await face.disconnect();
      const took = performance.now() - start;
      if (took > timeout + slack) history.violation(`disconnect, ${face.title} took ${Math.round(took)} ms`);
    }),
  );
}

/** Unhandled rejections and uncaught exceptions, instead of the end of the process. */
function catchStray(): { readonly caught: string[]; stop(): void } {
  const caught: string[] = [];
  const events = ['unhandledRejection', 'uncaughtException'] as const;
  const others = events.map((event) => process.rawListeners(event));
  const listeners = events.map((event) => (error: unknown) => {
    if (caught.length < 20) caught.push(`${event}: ${error instanceof Error ? error.stack : String(error)}`);
  });
  for (const [i, event] of events.entries()) process.removeAllListeners(event).on(event, listeners[i] as never);
  return {
    caught,
    stop() {
      for (const [i, event] of events.entries()) {
        process.removeAllListeners(event);
        for (const listener of others[i] ?? []) process.on(event, listener as never);
      }
    },
  };
}
