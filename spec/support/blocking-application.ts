import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { StoreOptions } from '../../src/index.js';
import type { BlockingReport } from './blocking-process.js';
import { compiled } from './compiled.js';
import { RedisServer } from './redis.js';
import { type RawClient, rawClient } from './wire.js';

/** An application in a process of its own that works for long between turns of its event loop, over a Redis that is well. */
export class BlockingApplication {
  readonly #server: RedisServer;
  readonly #redis: RawClient;
  readonly #child: ChildProcess;
  readonly #port: number;

  private constructor(server: RedisServer, redis: RawClient, child: ChildProcess, port: number) {
    this.#server = server;
    this.#redis = redis;
    this.#child = child;
    this.#port = port;
  }

  /** `block`: how long each request holds up the event loop, in milliseconds. */
  static async start(block: number, options: StoreOptions): Promise<BlockingApplication> {
    const server = await RedisServer.start();
    const redis = await rawClient(server);
    const argument = JSON.stringify({ block, options: { location: server.location, ...options } });
    const child = fork(compiled('spec/support/blocking-process.ts'), [argument], { execArgv: [] });
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new BlockingApplication(server, redis, child, port);
  }

  async request(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/`);
    return response.text();
  }

  /** Stops the process, and lets it go on after this time. */
  async pause(time: number): Promise<void> {
    this.#child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, time));
    this.#child.kill('SIGCONT');
  }

  async report(): Promise<BlockingReport> {
    const answer = once(this.#child, 'message');
    this.#child.send('report');
    const [report] = (await answer) as [BlockingReport];
    return report;
  }

  /** How many connections Redis has accepted so far. */
  async connections(): Promise<number> {
    const info = String(await this.#redis.sendCommand(['INFO', 'stats']));
    return Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
  }

  async stop(): Promise<void> {
    this.#redis.destroy();
    this.#child.kill('SIGKILL');
    await this.#server.stop();
  }
}
