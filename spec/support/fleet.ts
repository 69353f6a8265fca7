import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { compiled } from './compiled.js';

/** Processes of one program each, which talk to the spec by messages. */
export class Fleet {
  readonly members: ChildProcess[] = [];
  readonly #program: string;

  constructor(program: string) {
    this.#program = compiled(program);
  }

  /** Starts so many and waits until each has said that it is ready. A few at a time: many that load at once starve their own deadlines. */
  async start(count: number, ...args: readonly string[]): Promise<void> {
    while (this.members.length < count) {
      const lot = Array.from({ length: Math.min(4, count - this.members.length) }, () => fork(this.#program, args, { execArgv: [] }));
      this.members.push(...lot);
      await Promise.all(lot.map(ready));
    }
  }

  /** Ends all of them. */
  async stop(): Promise<void> {
    await Promise.all(
      this.members.splice(0).map(async (member) => {
        if (member.exitCode !== null || member.signalCode !== null) return;
        const exit = once(member, 'exit');
        member.kill('SIGKILL');
        await exit;
      }),
    );
  }
}

async function ready(member: ChildProcess): Promise<void> {
  const [message] = await Promise.race([once(member, 'message'), once(member, 'exit')]);
  if (message !== 'ready') throw new Error(`a process ended with ${message} before it was ready`);
}
