import type { Connection } from '../connection/connection.js';
import { refusesCommand } from '../connection/reply-errors.js';
import { CommandError, ConnectionError } from '../errors.js';
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
  PING: 'a refused PING counts as healthy',
} as const;

export type Substituted = keyof typeof substitutes;

/** How long the store does without a feature before it tries again, and how long a guess holds. */
const memory: Milliseconds = 60_000;
/** Commands that nothing stands in for. They are tried again, and never guessed: without them features are missing. */
const features: ReadonlySet<Substituted> = new Set(['EVAL', 'EVALSHA', 'SCAN']);

/** So many connections lost under a command that was never answered, each soon after the one before: a proxy may close them over it. */
const maxLosses = 3;
const soon: Milliseconds = 10_000;
/** Calls that fail within this time failed with the same connection. */
const sameLoss: Milliseconds = 20;

interface Knowledge {
  /** Until when it counts as refused, on the monotonic clock. */
  refusedUntil: Milliseconds;
  /** Whether no reply has said so. */
  isGuess: boolean;
  isAnswered: boolean;
  losses: number;
  lostAt: Milliseconds;
}

/** Each warning comes once in a process. */
const warnedInProcess = new Set<string>();

/** What replies say about the commands that may be refused, so that later calls do not try them first. One for each store. */
export class RefusedCommands {
  readonly #known = new Map<Substituted, Knowledge>();
  readonly #warned: Set<string>;

  /** `warned`: the warnings so far. */
  constructor(warned = warnedInProcess) {
    this.#warned = warned;
  }

  has(command: Substituted): boolean {
    const known = this.#known.get(command);
    return known !== undefined && known.refusedUntil > 0 && performance.now() < known.refusedUntil;
  }

  /** Sends the command, or what stands in for it if it is refused, now or earlier. */
  either<T>(connection: Connection, command: Substituted, send: () => Promise<T>, instead: () => Promise<T>): Promise<T> {
    if (this.has(command)) return this.#about(command).isGuess ? this.#checkGuess(connection, command, instead) : instead();
    const wasReady = connection.status === 'ready';
    return send().then(
      (reply) => {
        this.#about(command).isAnswered = true;
        return reply;
      },
      (error: unknown) => {
        if (error instanceof CommandError) this.#about(command).isAnswered = true;
        else if (wasReady && isLost(connection, error)) this.#lost(command);
        this.learn(command, error);
        return instead();
      },
    );
  }

  /** Remembers that the command is refused. Throws the error if it is not. */
  learn(command: Substituted, error: unknown): void {
    if (!refusesCommand(error, command)) throw error;
    const known = this.#about(command);
    known.refusedUntil = features.has(command) ? performance.now() + memory : Number.POSITIVE_INFINITY;
    known.isGuess = false;
    warnOnce(this.#warned, `Redis refuses ${command}: ${substitutes[command]}`);
  }

  /** A connection was lost under the command. */
  #lost(command: Substituted): void {
    const known = this.#about(command);
    const now = performance.now();
    if (features.has(command) || known.isAnswered || now - known.lostAt < sameLoss) return;
    known.losses = now - known.lostAt > soon ? 1 : known.losses + 1;
    known.lostAt = now;
    if (known.losses < maxLosses) return;
    known.losses = 0;
    known.isGuess = true;
    known.refusedUntil = now + memory;
  }

  /** A guess is wrong if the connection is lost under what stands in for the command, too: then Redis is unwell. */
  #checkGuess<T>(connection: Connection, command: Substituted, instead: () => Promise<T>): Promise<T> {
    return instead().then(
      (reply) => {
        warnOnce(this.#warned, `Redis may refuse ${command}: connections were lost under it. For a minute ${substitutes[command]}`);
        return reply;
      },
      (error: unknown) => {
        if (isLost(connection, error)) this.#about(command).refusedUntil = 0;
        throw error;
      },
    );
  }

  #about(command: Substituted): Knowledge {
    let known = this.#known.get(command);
    if (known === undefined) {
      known = { refusedUntil: 0, isGuess: false, isAnswered: false, losses: 0, lostAt: Number.NEGATIVE_INFINITY };
      this.#known.set(command, known);
    }
    return known;
  }
}

/** In a cluster the others stay up: a node that is away is no reason for a guess. */
function isLost({ status }: Connection, error: unknown): boolean {
  return error instanceof ConnectionError && status !== 'ready';
}

function warnOnce(warned: Set<string>, message: string): void {
  if (warned.has(message)) return;
  warned.add(message);
  warn(message, 'REDIS_TIER_COMMAND');
}
