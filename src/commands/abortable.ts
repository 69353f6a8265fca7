import { abortable } from '../connection/abortable.js';
import { AbortedError } from '../errors.js';
import type { Commands } from './commands.js';

/** Commands of an engine in this process, for callers that may give up: every one rejects once the signal is aborted, as it does on a connection. */
export function abortableCommands(commands: Commands, signal: AbortSignal): Commands {
  const heard = Object.entries(commands).map(([name, command]: [string, (...args: never[]) => Promise<unknown>]) => [
    name,
    (...args: never[]) => abortable(signal, () => command(...args)),
  ]);
  return {
    ...(Object.fromEntries(heard) as Commands),
    async *scan(...args) {
      if (signal.aborted) throw new AbortedError(signal.reason);
      for await (const page of commands.scan(...args)) {
        yield page;
        if (signal.aborted) throw new AbortedError(signal.reason);
      }
    },
  };
}
