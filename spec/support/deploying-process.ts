import { z } from 'zod';
import { redisStore, type StoreOptions } from '../../src/index.js';

/** A process of one version of an application, whose type of a user is another than that of the other version. */
export interface Deployed {
  readonly version: 1 | 2;
  readonly options: StoreOptions;
}

/** What a process is told: to work for so long and report. */
export interface Work {
  readonly milliseconds: number;
}

export interface Report {
  readonly reads: number;
  readonly hits: number;
  /** Values that it received and that its schema refuses. */
  readonly wrong: readonly unknown[];
}

const schemas = {
  1: z.strictObject({ id: z.number(), name: z.string() }),
  2: z.strictObject({ id: z.number(), first: z.string(), last: z.string() }),
};
const users = {
  1: (id: number) => ({ id, name: `Ada ${id}` }),
  2: (id: number) => ({ id, first: 'Ada', last: String(id) }),
};
const keys = 50;

async function work({ version, options }: Deployed): Promise<void> {
  const store = redisStore({ ...options, prefix: 'deploy', timeout: 5000 });
  const schema = schemas[version];
  const make = users[version] as (id: number) => never;
  const view = store.typed({ schema: schema as never, prefix: 'user:', ttl: '1h' });
  await store.ready();

  async function run({ milliseconds }: Work): Promise<Report> {
    let [reads, hits] = [0, 0];
    const wrong: unknown[] = [];
    const got = (value: unknown, made = false): void => {
      reads++;
      if (value === undefined) return;
      if (!made) hits++;
      if (!schema.safeParse(value).success) wrong.push(value);
    };
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      const id = Math.floor(Math.random() * keys);
      const choice = Math.random();
      if (choice < 0.5) got(await view.get(String(id)));
      else if (choice < 0.6) for (const value of await view.mget(String(id), String((id + 1) % keys))) got(value);
      else if (choice < 0.9) {
        const { value, tier } = await view.getOrSetDetailed(String(id), async () => make(id));
        got(value, tier === 'made' || tier === 'waited');
      } else if (choice < 0.98) await view.set(String(id), make(id));
      else await view.del(String(id));
    }
    return { reads, hits, wrong };
  }

  process.on('message', async (message: Work) => process.send?.(await run(message)));
  process.send?.('ready');
}

if (require.main === module) void work(JSON.parse(process.argv[2] as string) as Deployed);
