import { refusesCommand } from '../connection/reply-errors.js';
import { warn } from '../messages.js';
import { performance } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** Commands that a server, its ACL or a proxy may refuse, and what is done instead, as a warning says it. */
const substitutes = {
  UNLINK: 'DEL is sent instead',
  MGET: 'each key is read with a GET of its own',
  PTTL: 'TTL is sent instead, and times left are up to a second short',
  GETDEL: '`getAndDelete` runs a script instead, or without scripts GET and DEL, between which a write is lost',
  EVALSHA: 'scripts are sent as source, with EVAL',
  EVAL:
    '`getOrSet` runs without a lease, each process for itself; `touch`, and writes with tags, take several commands; what needs a script, ' +
    'such as `lock` and `incr`, rejects with ERR_UNSUPPORTED',
  PING: 'its refusal counts as the answer of a server that is well',
} as const;

export type Substituted = keyof typeof substitutes;

/** How long scripts stay refused before they are tried again: without them features are missing. */
const scriptMemory: Milliseconds = 60_000;

const warned = new Set<Substituted>();

/** The commands that are refused, learned from replies, so that later calls do not try them first. One for each store. */
export class RefusedCommands {
  /** Until when each counts as refused, on the monotonic clock. */
  readonly #until = new Map<Substituted, Milliseconds>();

  has(command: Substituted): boolean {
    const until = this.#until.get(command);
    return until !== undefined && performance.now() < until;
  }

  /** Sends the command, or what stands in for it if it is refused, now or earlier. */
  either<T>(command: Substituted, send: () => Promise<T>, instead: () => Promise<T>): Promise<T> {
    if (this.has(command)) return instead();
    return send().catch((error: unknown) => {
      this.learn(command, error);
      return instead();
    });
  }

  /** Remembers that the command is refused, which one warning of the process says. Throws the error if it is not. */
  learn(command: Substituted, error: unknown): void {
    if (!refusesCommand(error, command)) throw error;
    const isScript = command === 'EVAL' || command === 'EVALSHA';
    this.#until.set(command, isScript ? performance.now() + scriptMemory : Number.POSITIVE_INFINITY);
    if (warned.has(command)) return;
    warned.add(command);
    warn(`Redis refuses ${command}: ${substitutes[command]}`, 'REDIS_TIER_COMMAND');
  }
}
