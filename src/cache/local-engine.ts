import type { Commands, OrderedCommands } from '../commands/commands.js';
import { inOrder } from '../commands/in-order.js';
import { abortableCommands, ClosableCommands } from '../commands/local.js';
import type { KeyNames } from '../keys/keyspace.js';
import type { CacheContext, Engine } from './context.js';
import { type Lifecycle, localLifecycle } from './lifecycle.js';
import { recordedCommands, tracedCommands } from './recording.js';

/** An engine, and how its owner starts and closes it. */
export type OwnedEngine = Engine & { readonly lifecycle: Lifecycle; readonly isReachable?: () => boolean };

/** What all parts of a store share. */
export type Room = Pick<CacheContext, 'source' | 'events' | 'counters' | 'background'> & { readonly names: KeyNames };

/** Commands that this process answers: order → tracing → recording. */
export function localEngine(commands: Commands, { names, source, background, ...recorders }: Room): OwnedEngine {
  const engine = new ClosableCommands(commands);
  const finished = (ordered: OrderedCommands): OrderedCommands =>
    recordedCommands(tracedCommands(ordered, names, source), names, recorders);
  return {
    commands: finished(inOrder(engine.commands)),
    commandsWithin: (bounds) =>
      finished(inOrder(bounds.signal ? abortableCommands(engine.commands, bounds.signal) : engine.commands, bounds)),
    lifecycle: localLifecycle(engine, background),
  };
}
