import type { RootHookObject } from 'mocha';
import { minimalEverywhere, minimalUsers } from './acl.js';
import { closeOpened } from './open.js';
import { RedisServer, serverBinary, serverVersion, stopAll } from './redis.js';

let server: RedisServer | undefined;
let restricted: RedisServer | undefined;

/** The server that most specs share. Whoever needs another starts one. */
export function sharedServer(): RedisServer {
  if (!server) throw new Error('only from inside a spec');
  return server;
}

/** The same, but stores may do no more than docs/security.md says they need: for the contract suites. */
export async function restrictedServer(): Promise<RedisServer> {
  restricted ??= await RedisServer.start(minimalUsers());
  return restricted;
}

export const mochaHooks: RootHookObject = {
  async beforeAll() {
    const stores = minimalEverywhere ? '; stores as the ACL user of docs/security.md' : '';
    console.log(`  ${serverBinary}: ${serverVersion()}; Node ${process.version}${stores}`);
    server = await RedisServer.start();
  },
  async afterEach() {
    await closeOpened();
  },
  async afterAll() {
    await stopAll();
  },
};
