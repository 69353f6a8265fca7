import { ClosedError } from '../errors.js';
import type { Commands } from './commands.js';

/** Commands of an engine in this process that can be closed, as a connection can: from then on every one rejects. */
export function closable(commands: Commands): { commands: Commands; closed: () => boolean; close: () => void } {
  let closed = false;
  const guarded = Object.entries(commands).map(([name, command]: [string, (...args: never[]) => unknown]) => [
    name,
    (...args: never[]) => {
      if (!closed) return command(...args);
      if (name === 'scan') throw new ClosedError();
      return Promise.reject(new ClosedError());
    },
  ]);
  return {
    commands: Object.fromEntries(guarded) as Commands,
    closed: () => closed,
    close: () => {
      closed = true;
    },
  };
}
