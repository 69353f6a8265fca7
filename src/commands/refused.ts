import type { Answer, Connection, Reply } from '../connection/connection.js';
import { refusesCommand } from '../connection/reply-errors.js';
import { CommandError, ConnectionError } from '../errors.js';
import { warn } from '../messages.js';
import { performance } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';
import { type Ending, Suspicion, Trials } from './suspicion.js';

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

/** How long the store does without a feature before it tries again. */
const memory: Milliseconds = 60_000;
/** Commands that nothing stands in for. They are tried again, and never suspected: without them features are missing. */
const features: ReadonlySet<Substituted> = new Set(['EVAL', 'EVALSHA', 'SCAN']);

/** Each warning comes once in a process. */
const warnedInProcess = new Set<string>();

type Instead<T> = (connection: Connection) => Promise<T>;

/** What replies say about the commands that may be refused, so that later calls do not try them first. One for each store. */
export class RefusedCommands {
  /** Until when a command counts as refused, on the monotonic clock. */
  readonly #refusedUntil = new Map<Substituted, Milliseconds>();
  readonly #suspicions = new Map<Substituted, Suspicion>();
  readonly #trials = new Trials();
  readonly #warned: Set<string>;

  /** `warned`: the warnings so far. */
  constructor(warned = warnedInProcess) {
    this.#warned = warned;
  }

  has(command: Substituted): boolean {
    const until = this.#refusedUntil.get(command);
    return until !== undefined && performance.now() < until;
  }

  /** Sends the command, or what stands in for it if it is refused, now or earlier, or may be. */
  either<T>(connection: Connection, command: Substituted, send: () => Promise<T>, instead: () => Promise<T>): Promise<T> {
    if (this.has(command)) return instead();
    const suspicion = this.#suspicionOf(command);
    if (suspicion?.wantsSubstitute) return this.#compare(connection, command, suspicion, instead);
    const wasReady = connection.status === 'ready';
    const ended = suspicion?.begin();
    return send().then(
      (reply) => {
        ended?.('answered');
        return reply;
      },
      (error: unknown) => {
        ended?.(endingOf(connection, wasReady, error));
        this.learn(command, error);
        return instead();
      },
    );
  }

  /**
   * The same for a command that is the only one of its call: what becomes of its reply. `undefined` if what stands in for it is sent, or
   * if it has to be found out whether it is refused.
   */
  answer<T>(command: Substituted, read: (reply: Reply) => T, instead: Instead<T>): Answer<T> | undefined {
    if (this.has(command) || this.#suspicionOf(command)?.isCleared === false) return undefined;
    return {
      read,
      instead: async (error, connection) => {
        this.learn(command, error);
        return instead(connection);
      },
    };
  }

  /** Remembers that the command is refused. Throws the error if it is not. */
  learn(command: Substituted, error: unknown): void {
    if (!refusesCommand(error, command)) throw error;
    this.#refusedUntil.set(command, features.has(command) ? performance.now() + memory : Number.POSITIVE_INFINITY);
    warnOnce(this.#warned, `Redis refuses ${command}: ${substitutes[command]}`);
  }

  /** Sends what stands in for the command, to see whether the connection is lost under that too. */
  #compare<T>(connection: Connection, command: Substituted, suspicion: Suspicion, instead: () => Promise<T>): Promise<T> {
    const wasReady = connection.status === 'ready';
    const ended = suspicion.compare();
    return instead().then(
      (reply) => {
        if (ended('answered'))
          warnOnce(this.#warned, `Redis may refuse ${command}: connections were lost under it. For a minute ${substitutes[command]}`);
        return reply;
      },
      (error: unknown) => {
        ended(endingOf(connection, wasReady, error));
        throw error;
      },
    );
  }

  #suspicionOf(command: Substituted): Suspicion | undefined {
    let suspicion = this.#suspicions.get(command);
    if (suspicion === undefined && !features.has(command)) {
      suspicion = new Suspicion(this.#trials);
      this.#suspicions.set(command, suspicion);
    }
    return suspicion;
  }
}

/** What an error says about what was sent over a connection. In a cluster the others stay up: a node that is away is no loss. */
function endingOf(connection: Connection, wasReady: boolean, error: unknown): Ending {
  if (error instanceof CommandError) return 'answered';
  return wasReady && error instanceof ConnectionError && connection.status !== 'ready' ? 'lost' : undefined;
}

function warnOnce(warned: Set<string>, message: string): void {
  if (warned.has(message)) return;
  warned.add(message);
  warn(message, 'REDIS_TIER_COMMAND');
}
