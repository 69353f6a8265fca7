import type { Connection } from '../connection/connection.js';
import { refusesCommand } from '../connection/reply-errors.js';
import { ConnectionError } from '../errors.js';
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
  SCAN: 'what has to find keys, such as `clear` and `keys`, rejects with ERR_UNSUPPORTED',
  PING: 'its refusal counts as the answer of a server that is well',
} as const;

export type Substituted = keyof typeof substitutes;

/** How long the store does without a feature before it tries again. */
const featureMemory: Milliseconds = 60_000;
const features: ReadonlySet<Substituted> = new Set(['EVAL', 'EVALSHA', 'SCAN']);

/** Connections lost in a row under a command that was never answered: then a proxy closes them over it. */
const maxLosses = 3;
/** Calls that fail within this time failed with the same connection. */
const sameLoss: Milliseconds = 20;

interface Knowledge {
  /** Until when it counts as refused, on the monotonic clock. */
  refusedUntil: Milliseconds;
  isAnswered: boolean;
  losses: number;
  lostAt: Milliseconds;
}

const warned = new Set<Substituted>();

/** What replies say about the commands that may be refused, so that later calls do not try them first. One for each store. */
export class RefusedCommands {
  readonly #known = new Map<Substituted, Knowledge>();

  has(command: Substituted): boolean {
    const known = this.#known.get(command);
    return known !== undefined && known.refusedUntil > 0 && performance.now() < known.refusedUntil;
  }

  /** Sends the command, or what stands in for it if it is refused, now or earlier. */
  either<T>({ status }: Connection, command: Substituted, send: () => Promise<T>, instead: () => Promise<T>): Promise<T> {
    if (this.has(command)) return instead();
    return send().then(
      (reply) => {
        this.#about(command).isAnswered = true;
        return reply;
      },
      (error: unknown) => {
        if (error instanceof ConnectionError && status === 'ready') this.#lost(command);
        this.learn(command, error);
        return instead();
      },
    );
  }

  /** Remembers that the command is refused. Throws the error if it is not. */
  learn(command: Substituted, error: unknown): void {
    if (!refusesCommand(error, command)) throw error;
    this.#refuse(command);
  }

  /** A connection was lost under the command. */
  #lost(command: Substituted): void {
    const known = this.#about(command);
    const now = performance.now();
    if (known.isAnswered || now - known.lostAt < sameLoss) return;
    known.lostAt = now;
    if (++known.losses >= maxLosses) this.#refuse(command);
  }

  #refuse(command: Substituted): void {
    const known = this.#about(command);
    known.refusedUntil = features.has(command) ? performance.now() + featureMemory : Number.POSITIVE_INFINITY;
    if (warned.has(command)) return;
    warned.add(command);
    warn(`Redis refuses ${command}: ${substitutes[command]}`, 'REDIS_TIER_COMMAND');
  }

  #about(command: Substituted): Knowledge {
    let known = this.#known.get(command);
    if (known === undefined) {
      known = { refusedUntil: 0, isAnswered: false, losses: 0, lostAt: Number.NEGATIVE_INFINITY };
      this.#known.set(command, known);
    }
    return known;
  }
}
