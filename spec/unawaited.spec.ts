import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { compose } from '../src/compose.js';
import { RedisStore } from '../src/store/store.js';
import { compiled } from './support/compiled.js';
import { freePort, RedisServer } from './support/redis.js';
import { faces, uncalled } from './support/unawaited-process.js';

/** `UNAWAITED=each` runs a process for every method of every face, in place of one for all: it tells which of them ended the process. */
const each = process.env['UNAWAITED'] === 'each';

/** What happens while nothing is awaited. */
interface Fault {
  /** Arguments for a server that fails from the start; none for one that fails later. */
  readonly args?: readonly string[];
  readonly calls?: 'right' | 'refused' | 'wrong';
  begin?(server: RedisServer): Promise<void> | void;
}

const faults: Readonly<Record<string, Fault>> = {
  'Redis is frozen': { begin: (server) => server.freeze() },
  'Redis is gone': { begin: (server) => server.kill() },
  'Redis refuses': { calls: 'refused', args: ['--user', 'default', 'on', 'nopass', '~*', '&*', '-@all', '+@connection'] },
  'the application passes wrong arguments': { calls: 'wrong' },
};

/** A process that has connected, or has failed to. */
interface Caller {
  readonly title: string;
  readonly child: ChildProcess;
  readonly methods: readonly string[];
  readonly output: () => string;
}

async function start(face: string, location: string, calls: string, method?: string): Promise<Caller> {
  const program = compiled('spec/support/unawaited-process.ts');
  const args = [program, face, location, calls, ...(method === undefined ? [] : [method])];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += data));
  await Promise.race([once(child.stdout as NonNullable<typeof child.stdout>, 'data'), once(child, 'exit')]);
  const methods = /^ready (.*)$/m.exec(output)?.[1]?.split(' ') ?? [];
  return { title: `${face}${method ? `.${method}` : ''}`, child, methods, output: () => output };
}

/** How the process ended, if not as it should. */
async function ending({ title, child, output }: Caller): Promise<string[]> {
  const exit = child.exitCode === null ? once(child, 'exit') : undefined;
  child.stdin?.write('go\n');
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await exit;
  clearTimeout(timer);
  return child.exitCode === 0 && output().endsWith('done\n') ? [] : [`${title}: ${child.exitCode ?? child.signalCode}\n${output()}`];
}

describe('a call that nothing awaits', () => {
  for (const [title, { args, calls = 'right', begin }] of Object.entries(faults)) {
    it(`does not end the process, by any method of any face, while ${title}`, async function () {
      this.timeout(each ? 900_000 : 60_000);
      const all = each ? await everyMethod() : [{ face: Object.keys(faces).join(';'), method: undefined }];
      const bad: string[] = [];
      // Few at a time: each takes its time to start.
      for (let i = 0; i < all.length; i += 6) {
        const server = await RedisServer.start(args);
        const callers = await Promise.all(all.slice(i, i + 6).map(({ face, method }) => start(face, server.location, calls, method)));
        await begin?.(server);
        bad.push(...(await Promise.all(callers.map(ending))).flat());
        await server.stop();
      }
      expect(bad).to.deep.equal([]);
    });
  }

  it('is tried with every public method of the store, of its views and of the adapter', async () => {
    for (const [name, open] of Object.entries(faces)) {
      const face = await open();
      expect(uncalled(face), name).to.deep.equal([]);
      await face.disconnect();
    }
  });

  it('fails the spec above by a method that is not in the list', async () => {
    class Later extends RedisStore {
      async added(): Promise<void> {}
    }
    const [store, face] = [new Later(compose({ location: 'memory:' }, 'store')), await faces['store']?.()];
    expect(face && uncalled({ ...face, complete: store })).to.deep.equal(['added']);
    await Promise.all([store.disconnect(), face?.disconnect()]);
  });

  async function everyMethod(): Promise<{ face: string; method: string }[]> {
    const nowhere = `127.0.0.1:${await freePort()}`;
    const pairs: { face: string; method: string }[] = [];
    for (const face of Object.keys(faces)) {
      const { child, methods } = await start(face, nowhere, 'right');
      child.kill();
      pairs.push(...methods.map((method) => ({ face, method })));
    }
    return pairs;
  }
});
