// One of many processes with a store under a light load each, which do what their parent says.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFace } from './faces.js';
import { History } from './history.js';
import { Load } from './load.js';
import { MemoryWatch } from './memory-watch.js';
import { Random } from './random.js';
import { quiet, slack, timeToRecover } from './run.js';
import { type StoreUnderLoad, timeout } from './topology.js';
import type { Order } from './what-happened.js';

/** Steps, one after the other. Each is answered by a {@link Report} when it is over. */
export type Step =
  | { readonly kind: 'load'; readonly seed: number }
  | { readonly kind: 'fault'; readonly name: string; readonly order: Order }
  /** The fault is over: works again within so many milliseconds. */
  | { readonly kind: 'recover'; readonly within: number }
  | { readonly kind: 'end' };

export interface Report {
  readonly violations: readonly string[];
  readonly calls: number;
  readonly failed: number;
  /** How long it took to work again, in milliseconds. */
  readonly recovered: number;
}

const history = new History();
const load = new Load(history, { timeout, slack, loops: 2, rest: 500 });
const face = openFace(JSON.parse(process.argv[2] as string) as StoreUnderLoad, { prefix: randomUUID(), timeout }, false);
let random = new Random(0);
let memory: MemoryWatch | undefined;
let recovered = 0;

async function act(step: Step): Promise<void> {
  if (step.kind === 'load') {
    random = new Random(step.seed);
    load.start([face], random);
  } else if (step.kind === 'fault') {
    history.phase = step.name;
    history.order = step.order;
    memory = new MemoryWatch();
  } else if (step.kind === 'recover') {
    for (const growth of memory?.check() ?? []) history.violation(growth);
    memory?.stop();
    recovered = await timeToRecover(face, history, step.within);
    await load.pause();
    await sleep(quiet);
    history.settle();
    load.start([face], random);
  } else {
    await load.pause();
    load.stop();
    await face.disconnect();
  }
}

process.on('message', async (step: Step) => {
  await act(step);
  const { calls, failed } = load.figures;
  process.send?.({ violations: history.violations.splice(0), calls, failed, recovered } satisfies Report);
});
// Without its parent it would go on for ever.
process.on('disconnect', () => process.exit());
process.send?.('ready');
