import type { RootHookObject } from 'mocha';
import { minimalEverywhere, minimalUsers } from './acl.js';
import { closeOpened } from './open.js';
import { RedisServer, serverBinary, serverVersion, stopAll } from './redis.js';

let server: RedisServer | undefined;
let restricted: RedisServer | undefined;

/** The server that most specs share. Others start their own. */
export function sharedServer(): RedisServer {
  if (!server) throw new Error('only from inside a spec');
  return server;
}

/** The same, but stores may do no more than docs/security.md says they need: for the contract suites. */
export async function restrictedServer(): Promise<RedisServer> {
  restricted ??= await RedisServer.start(minimalUsers());
  return restricted;
}

/** Runs once, in the process that starts the others. */
export function mochaGlobalSetup(): void {
  const stores = minimalEverywhere ? '; stores as the ACL user of docs/security.md' : '';
  console.log(`  ${serverBinary}: ${serverVersion()}; Node ${process.version}${stores}`);
}

/** Run before and after all files, and with `--parallel` before and after each file. */
export const mochaHooks: RootHookObject = {
  async beforeAll() {
    server = await RedisServer.start();
  },
  async afterEach() {
    await closeOpened();
  },
  async afterAll() {
    await stopAll();
    server = undefined;
    restricted = undefined;
  },
};
