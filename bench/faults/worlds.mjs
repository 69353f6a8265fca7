// What a contender is connected to, by topology: { target, close } and what faults can be done to. A fault knows what that is.
import { Cluster } from './cluster.mjs';
import { Network } from './network.mjs';
import { Sentinels } from './sentinel.mjs';
import { Server } from './server.mjs';

/**
 * A topology is an entry here, and the faults that name it. `target` goes to the contender's process: `ports`, and `shares`,
 * parts of keys that together lead to every part of Redis.
 */
export const worlds = {
  server: async ({ absent, proxied }) => {
    const server = await Server.place();
    const network = proxied ? await Network.open(server) : undefined;
    const close = () => {
      network?.close();
      server.remove();
    };
    try {
      if (!absent) await server.start();
    } catch (error) {
      close();
      throw error;
    }
    const { port } = network ?? server;
    return { server, network, target: { topology: 'server', port, ports: [port], shares: [''] }, close };
  },
  cluster: async () => {
    const group = await formed(Cluster);
    const { ports, shares } = group;
    return { group, target: { topology: 'cluster', ports, shares }, close: () => group.close() };
  },
  sentinel: async () => {
    const group = await formed(Sentinels);
    const { ports, name } = group;
    return { group, target: { topology: 'sentinel', ports, name, shares: [''] }, close: () => group.close() };
  },
};

/** As a reader shall see them. */
export const topologies = {
  server: { title: 'One server', about: 'One Redis, and no other to take over.' },
  cluster: {
    title: 'Cluster',
    about:
      'Three primaries with a replica each, `cluster-node-timeout` 1 s. The fault happens to one primary, which has a third of the keys.',
  },
  sentinel: {
    title: 'Sentinel',
    about: 'A primary with two replicas and three sentinels, `down-after-milliseconds` 1.5 s. The fault happens to the primary.',
  },
};

/** Somebody else may take a port between looking and listening. */
async function formed(Group) {
  for (let attempt = 1; ; attempt++) {
    const group = new Group();
    try {
      await group.form();
      return group;
    } catch (error) {
      group.close();
      if (attempt === 3) throw error;
    }
  }
}
