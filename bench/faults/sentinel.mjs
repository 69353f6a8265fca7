// A real primary with two replicas, and three sentinels that find out quickly that it is gone.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Server } from './server.mjs';

const name = 'cache';

export class Sentinels {
  name = name;
  #servers = [];
  #sentinels = [];

  get ports() {
    return this.#sentinels.map(({ port }) => port);
  }

  get primary() {
    return this.#servers[0];
  }

  failover() {
    return this.#sentinels[0].command(['SENTINEL', 'FAILOVER', name]);
  }

  /** Resolves when the first of the sentinels calls another server the primary. */
  async promoted() {
    let over = false;
    const changed = async (send) => {
      while (!over && Number((await send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name]))[1]) === this.primary.port) await pause(20);
      over = true;
    };
    await Promise.all(this.#sentinels.map((sentinel) => sentinel.session(changed)));
  }

  close() {
    for (const server of [...this.#servers, ...this.#sentinels]) server.remove();
  }

  async form() {
    for (let i = 0; i < 3; i++) this.#servers.push(await Server.place());
    for (let i = 0; i < 3; i++) this.#sentinels.push(await Server.place());
    const [primary, ...replicas] = this.#servers;
    const quick = ['--repl-diskless-sync-delay', '0'];
    await primary.start(quick);
    await Promise.all(replicas.map((replica) => replica.start([...quick, '--replicaof', '127.0.0.1', String(primary.port)])));
    const lines = [
      `sentinel monitor ${name} 127.0.0.1 ${primary.port} 2`,
      `sentinel down-after-milliseconds ${name} 1500`,
      `sentinel failover-timeout ${name} 5000`,
      `sentinel parallel-syncs ${name} 2`,
    ];
    await Promise.all(
      this.#sentinels.map(async (sentinel) => {
        const file = join(sentinel.folder, 'sentinel.conf');
        writeFileSync(file, lines.join('\n'));
        await sentinel.launch([file, '--sentinel']);
        await sentinel.session(found);
      }),
    );
  }
}

/** Resolves when a sentinel knows the two others, and both replicas as ones that follow the primary. */
async function found(send) {
  for (let i = 0; i < 600; i++) {
    const others = await send(['SENTINEL', 'SENTINELS', name]);
    const replicas = await send(['SENTINEL', 'REPLICAS', name]);
    const following = replicas.filter((fields) => fields[fields.indexOf('master-link-status') + 1] === 'ok');
    if (others.length === 2 && following.length === 2) return;
    await pause(25);
  }
  throw new Error('the sentinels do not find each other');
}
