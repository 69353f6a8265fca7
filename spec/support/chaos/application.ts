import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiled } from '../compiled.js';
import { applicationFault } from './application-faults.js';
import type { OneServer } from './one-server.js';
import { Random } from './random.js';
import type { Outcome, Step } from './run.js';

/** What the process asks of its parent, and what it tells in the end. */
export type Message =
  | { readonly kind: 'inject'; readonly fault: string; readonly seed: number }
  | { readonly kind: 'heal' }
  | { readonly kind: 'over'; readonly outcome: Outcome };

/** What the process runs. */
export interface Orders {
  readonly location: string;
  readonly seed: number;
  readonly steps: readonly Step[];
}

/** Puts stores under load in a process of their own, while that process and its server fail. */
export async function runApplication(server: OneServer, steps: readonly Step[], random: Random): Promise<Outcome> {
  const orders: Orders = { location: server.proxy.location, seed: random.fork().seed, steps };
  const child = fork(compiled('spec/support/chaos/application-process.ts'), [JSON.stringify(orders)], { execArgv: [] });
  try {
    return await new Application(child, server).outcome;
  } finally {
    child.kill('SIGKILL');
  }
}

class Application {
  readonly outcome: Promise<Outcome>;
  readonly #child: ChildProcess;
  readonly #server: OneServer;
  #stopping: Promise<void> | undefined;
  #healed = false;

  constructor(child: ChildProcess, server: OneServer) {
    this.#child = child;
    this.#server = server;
    this.outcome = new Promise((resolve, reject) => {
      child.once('exit', (code, signal) => reject(new Error(`the application ended with ${code ?? signal}`)));
      child.on('message', (message: Message) => {
        if (message.kind === 'over') resolve(message.outcome);
        else this.#do(message).then(() => child.send('done'), reject);
      });
    });
  }

  async #do(message: Exclude<Message, { kind: 'over' }>): Promise<void> {
    if (message.kind === 'heal') {
      this.#healed = true;
      await this.#stopping;
      await this.#server.heal();
      return;
    }
    const { does, server } = applicationFault(message.fault);
    const random = new Random(message.seed);
    if (server !== undefined) await this.#server.inject(server, random);
    this.#healed = false;
    if (does === 'stops') this.#stopping = this.#stop(random);
  }

  /** As a scheduler, a debugger or a laptop's lid does. */
  async #stop(random: Random): Promise<void> {
    while (!this.#healed) {
      await sleep(random.integer(50, 300));
      this.#child.kill('SIGSTOP');
      await sleep(random.integer(200, 2000));
      this.#child.kill('SIGCONT');
    }
  }
}
