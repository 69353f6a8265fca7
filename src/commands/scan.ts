import { isUtf8 } from 'node:buffer';
import type { Reply } from '../connection/connection.js';
import type { Pool } from '../connection/pools.js';
import { ArgumentError, UnsupportedError } from '../errors.js';
import { expected } from '../messages.js';
import type { Page } from './commands.js';
import type { RefusedCommands } from './refused.js';

/** SCAN's COUNT: the keys Redis looks at in one step. With 500 and 2000 clearing takes longer, measured. */
const scanCount = '1000';

/** SCAN, one node after another. In a cluster the cursor names its node, `17@10.0.0.5:6379`; nodes before that one are done. */
export async function* scan(pool: Pool, refused: RefusedCommands, glob: string, cursor = '0'): AsyncGenerator<Page, void, undefined> {
  const primaries = (): Promise<readonly (string | undefined)[]> =>
    pool.use(async (connection) => (connection.primaries ? connection.primaries() : [undefined]));
  const [from = '0', at] = cursor.split(/@(.*)/s);
  const nodes = await primaries();
  if (at !== undefined && !nodes.includes(at)) throw new ArgumentError(expected('cursor', 'of a node that is in the cluster', cursor));
  const left = at === undefined ? [...nodes] : nodes.slice(nodes.indexOf(at));
  const seen = new Set(nodes);
  for (let node = left.shift(), start = from; ; node = left.shift(), start = '0') {
    for await (const page of scanNode(pool, refused, glob, start, node)) {
      if (node === undefined || page.next !== '0') {
        yield node === undefined ? page : { ...page, next: `${page.next}@${node}` };
        continue;
      }
      // Slots may have moved to a primary that was added or promoted since the scan began.
      if (left.length === 0) left.push(...(await primaries()).filter((name) => !seen.has(name)));
      for (const name of left) seen.add(name);
      yield { ...page, next: left.length === 0 ? '0' : `0@${left[0]}` };
    }
    if (left.length === 0) return;
  }
}

async function* scanNode(
  pool: Pool,
  refused: RefusedCommands,
  glob: string,
  from: string,
  node: string | undefined,
): AsyncGenerator<Page, void, undefined> {
  const ask = (cursor: string): Promise<Reply> => {
    const args = ['SCAN', cursor, 'MATCH', glob, 'COUNT', scanCount];
    const page = pool.use((connection) => refused.either(connection, 'SCAN', () => connection.send(args, { node }), cannotScan));
    // Awaited later, or never if the caller stops: a rejection must not be unhandled.
    page.catch(() => {});
    return page;
  };
  let asked: Promise<Reply> | undefined = ask(from);
  while (asked) {
    const [following, keys] = (await asked) as [Reply, Buffer[]];
    const next = String(following);
    // Redis scans the next page while the caller works on this one.
    asked = next === '0' ? undefined : ask(next);
    yield { keys: keys.map(asText), next };
  }
}

function cannotScan(): Promise<never> {
  const advice = 'allow it, or rely on TTLs and `lazyClear` with tags';
  return Promise.reject(new UnsupportedError(`Redis refuses SCAN, which is needed to find keys: ${advice}`));
}

/** A key as text, or as bytes if it is not UTF-8. Decoding turns such bytes into U+FFFD, which is cheaper to look for. */
function asText(key: Buffer): string | Buffer {
  const text = key.toString();
  return text.includes('\ufffd') && !isUtf8(key) ? key : text;
}
