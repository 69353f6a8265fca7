// Processes that do what they are asked, one thing at a time.
import { fork } from 'node:child_process';
import { once } from 'node:events';

const running = new Set();
process.once('exit', () => {
  for (const each of running) each.kill('SIGKILL');
});

export class Worker {
  #process;
  #waiting = new Map();
  #id = 0;

  /** A process of this script in this folder. */
  static async start(script, options) {
    const worker = new Worker(fork(new URL(script, import.meta.url)));
    await worker.ask('open', options);
    return worker;
  }

  constructor(child) {
    this.#process = child;
    running.add(child);
    child.on('message', ({ id, answer, error }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(answer);
    });
    child.once('exit', (code) => {
      running.delete(child);
      for (const { reject } of this.#waiting.values()) reject(new Error(`a process ended with ${code}`));
    });
  }

  ask(work, options = {}) {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, work, ...options });
    });
  }

  async close() {
    const ended = once(this.#process, 'exit');
    await this.ask('close');
    await ended;
  }
}

/** So many processes, started a few at a time. */
export async function startAll(script, count, options) {
  const workers = [];
  while (workers.length < count) {
    const some = Array.from({ length: Math.min(4, count - workers.length) }, () => Worker.start(script, options));
    workers.push(...(await Promise.all(some)));
  }
  return workers;
}
