import superjson from 'superjson';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

interface Report {
  at: Date;
  tags: Set<string>;
  visits: Map<string, bigint>;
  text: string;
}

const report: Report = {
  at: new Date('2024-02-29T12:00:00Z'),
  tags: new Set(['daily', 'draft']),
  visits: new Map([['/', 12345678901234567890n]]),
  text: 'All work and no play makes Jack a dull boy. '.repeat(200),
};

export async function main(location: string) {
  const options = { location, prefix: 'example-serializer', ttl: 60_000 };
  // The name is stored with every value, so that no other serializer reads it.
  const serializer = { name: 'superjson', stringify: superjson.stringify, parse: (text: string) => superjson.parse(text) };
  const plain = redisStore({ ...options, serializer });
  // Values of 1024 bytes or more are compressed. Values stored without compression are still read.
  const small = redisStore({ ...options, serializer, compression: { algorithm: 'brotli', threshold: 1024 } });
  // A store that does not know the serializer: a miss and an `error` event, never a wrong value.
  const other = redisStore(options);
  const errors: string[] = [];
  other.on('error', (error) => errors.push(error.message));
  try {
    await plain.set('plain', report);
    await small.set('small', report);
    const bytes = {
      plain: await plain.client?.strLen('example-serializer:plain'),
      small: await plain.client?.strLen('example-serializer:small'),
    };
    const read = { plain: await small.get<Report>('plain'), small: await small.get<Report>('small'), other: await other.get('plain') };
    console.log('a Set, a Map, a Date and a bigint:', read.small?.tags, read.small?.visits, read.small?.at);
    console.log('bytes in Redis:', bytes);
    console.log('read without the serializer:', read.other, errors);
    return { report, read, bytes, errors };
  } finally {
    await Promise.all([plain, small, other].map((store) => store.disconnect()));
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
