// The process of one contender, as its parent sees it.
import { fork } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The contender's process, asked one step at a time. */
export class Candidate {
  ended = false;
  /** What it ended with. */
  gone;
  #child;
  #answers = new Map();

  constructor(title, target) {
    const file = fileURLToPath(new URL('worker.mjs', import.meta.url));
    const stdio = ['ignore', 'ignore', 'pipe', 'ipc'];
    this.#child = fork(file, [title, JSON.stringify(target)], { execArgv: ['--expose-gc'], stdio });
    let errors = '';
    this.#child.stderr.on('data', (data) => {
      errors = (errors + data).slice(-10_000);
    });
    this.#answer('ready');
    this.#child.on('message', ({ step, result, error }) => {
      const { resolve, reject } = this.#answer(step);
      if (error) reject(new Error(`${title}: ${step}: ${error}`));
      else resolve(result);
    });
    this.gone = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.ended = true;
        const message = errors.split('\n').find((line) => /^(\w*Error|\[?\w*Error\]?)\b/.test(line.trim()));
        const words = (message ?? `${signal ?? `exit code ${code}`}`).trim();
        resolve(target.ports.reduce((text, port) => text.replaceAll(String(port), 'PORT'), words));
        for (const { reject } of this.#answers.values()) reject(new Error(`${title} ended`));
      });
    });
  }

  async ask(step, parameters) {
    // Sending fails where the process has ended; then so does the answer.
    if (step !== 'ready') this.#child.send({ step, ...parameters }, () => {});
    const answer = await Promise.race([this.#answer(step).promise, pause(120_000, 'late', { ref: false })]);
    if (answer === 'late') throw new Error(`no answer to ${step}`);
    return answer;
  }

  kill() {
    this.#child.removeAllListeners('message');
    this.#child.kill('SIGKILL');
  }

  #answer(step) {
    if (!this.#answers.has(step)) {
      const answer = {};
      answer.promise = new Promise((resolve, reject) => Object.assign(answer, { resolve, reject }));
      // Nobody may be waiting for it when the process ends.
      answer.promise.catch(() => {});
      if (this.ended) answer.reject(new Error('ended'));
      this.#answers.set(step, answer);
    }
    return this.#answers.get(step);
  }
}
