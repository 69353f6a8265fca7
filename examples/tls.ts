import { readFile } from 'node:fs/promises';
import { type ConnectionError, redisStore } from '../src/index.js'; // in your project: 'redis-tier'

/** Paths of PEM files. */
export interface Files {
  /** The certificate of the private authority that signed the server's. */
  ca: string;
  /** The client's certificate, if the server asks for one (`tls-auth-clients yes`, Redis's default). */
  cert: string;
  key: string;
}

/** @param location `rediss://host:port`, with two s */
export async function main(location: string, files: Files) {
  const [ca, cert, key] = await Promise.all([readFile(files.ca), readFile(files.cert), readFile(files.key)]);
  // `socket` is passed to Node's tls.connect. The server's certificate must contain the name or address in `location`.
  const store = redisStore({ location, prefix: 'example-tls', socket: { tls: true, ca, cert, key } });
  const distrustful = redisStore({ location, prefix: 'example-tls' }); // does not have the private authority
  try {
    await store.ready();
    await store.set('greeting', 'hello over TLS', 5_000);
    const greeting = await store.get<string>('greeting');
    console.log(greeting);

    const refused = await distrustful.ready().then(
      () => 'nothing',
      (error: ConnectionError) => error.message,
    );
    console.log('without the authority:', refused);
    return { greeting, refused };
  } finally {
    await store.disconnect();
    await distrustful.disconnect();
  }
}

if (require.main === module) {
  const { REDIS_URL, REDIS_CA = 'ca.pem', REDIS_CERT = 'client.pem', REDIS_KEY = 'client-key.pem' } = process.env;
  main(REDIS_URL ?? 'rediss://localhost:6380', { ca: REDIS_CA, cert: REDIS_CERT, key: REDIS_KEY }).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
