import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

/** @param nodes URLs of some nodes; the others are discovered */
export async function main(nodes: readonly string[]) {
  const store = redisStore({ cluster: { rootNodes: nodes.map((url) => ({ url })) }, prefix: 'example-cluster', ttl: 60_000 });
  try {
    await store.ready(); // rejects with the reason if no node answers
    await store.reset(); // scans every primary; a second run then shows the same

    // Each key is in a slot of its own. One command goes to each slot, all at once, and values return in the order of the keys.
    const users = Object.fromEntries(['Ada', 'Grace', 'Edsger', 'Barbara'].map((name, i) => [`user:${i}`, { name }]));
    await store.mset(users);
    const names = ((await store.mget(...Object.keys(users))) as { name: string }[]).map(({ name }) => name);
    console.log('read from all of them:', names.join(', '));

    const total = await store.incr('visits', 4, { initial: 0 });
    const keys = (await store.keys()).sort();
    await store.mdel('user:0', 'user:1', 'user:2');
    const left = (await store.keys()).sort();
    console.log('keys:', keys, 'left:', left);
    return { names, total, keys, left, status: store.status };
  } finally {
    await store.disconnect();
  }
}

if (require.main === module) {
  main((process.env['REDIS_CLUSTER'] ?? 'redis://localhost:7000').split(',')).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
