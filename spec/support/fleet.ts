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
      await Promise.all(lot.map(answer));
    }
  }

  /** Those that nobody has killed. */
  get living(): ChildProcess[] {
    return this.members.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  }

  /** Tells each that lives, a few at a time, and waits for an answer. */
  async tell(message: object): Promise<void> {
    const { living } = this;
    for (let i = 0; i < living.length; i += 4) {
      await Promise.all(
        living.slice(i, i + 4).map((member) => {
          const answered = answer(member);
          member.send(message);
          return answered;
        }),
      );
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

/** The next message, which must come before the process ends. */
async function answer(member: ChildProcess): Promise<void> {
  const ended = once(member, 'exit').then(([code, signal]) => {
    throw new Error(`a process ended with ${code ?? signal} before it answered`);
  });
  ended.catch(() => {});
  await Promise.race([once(member, 'message'), ended]);
}
