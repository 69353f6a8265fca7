import type { RootHookObject } from 'mocha';
import { closeOpened } from './open.js';
import { RedisServer, serverBinary, serverVersion, stopAll } from './redis.js';

let server: RedisServer | undefined;

/** The server that most specs share. Whoever needs another starts one. */
export function sharedServer(): RedisServer {
  if (!server) throw new Error('only from inside a spec');
  return server;
}

export const mochaHooks: RootHookObject = {
  async beforeAll() {
    console.log(`  ${serverBinary}: ${serverVersion()}; Node ${process.version}`);
    server = await RedisServer.start();
  },
  async afterEach() {
    await closeOpened();
  },
  async afterAll() {
    await stopAll();
  },
};
