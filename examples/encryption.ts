import { randomBytes } from 'node:crypto';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

export async function main(location: string) {
  const base = { location, prefix: 'example-encryption', ttl: 60_000 };
  // In your project they come from your secret store: openssl rand -base64 32
  const [first, second] = [
    { id: '2025-06', key: randomBytes(32) },
    { id: '2025-12', key: randomBytes(32) },
  ];
  const errors: string[] = [];
  const open = (keys: { id: string; key: Buffer }[]) => {
    const store = redisStore({ ...base, encryption: { keys } });
    store.on('error', ({ code }) => errors.push(code));
    return store;
  };
  // The processes of the three deploys of a rotation.
  const stores = [open([first]), open([second, first]), open([second])];
  const [before, between, after] = stores as [(typeof stores)[0], (typeof stores)[0], (typeof stores)[0]];
  const plain = redisStore(base);
  plain.on('error', () => {});
  try {
    await before.clear(); // a second run then shows the same
    await before.set('user:1', { name: 'Ada' });
    const unread = await plain.get('user:1');
    console.log('without a key:', unread);

    const read = await between.get('user:1'); // can read with both keys
    for await (const { rewritten } of between.reencode()) console.log(`moved to the new key: ${rewritten}`);
    const moved = await after.get('user:1'); // no longer needs the old key
    const old = await before.get('user:1'); // the old key alone is not enough: a miss and an event
    console.log('between, after, and with the old key alone:', read, moved, old, errors);
    return { unread, read, moved, old, errors };
  } finally {
    await Promise.all([...stores, plain].map((store) => store.disconnect()));
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
