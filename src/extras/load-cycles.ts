import { AsyncLocalStorage } from 'node:async_hooks';
import { shown, UnsupportedError } from '../errors.js';
import type { Flight } from './single-flight.js';

/** A call of the function of a load. What it has left running waits for nothing on its behalf once it is over. */
export interface FunctionCall {
  readonly flight: Flight;
  over: boolean;
}

const calls = new AsyncLocalStorage<FunctionCall>();
/** How many functions run. While there is none, the storage is off: it makes every promise of the process cost more. */
let running = 0;

/** Runs the function of a load, so that loads that it begins, or joins, know which load waits for them. */
export async function insideLoad<T>(flight: Flight, work: () => T | Promise<T>): Promise<T> {
  const call: FunctionCall = { flight, over: false };
  running++;
  try {
    return await calls.run(call, work);
  } finally {
    call.over = true;
    if (--running === 0) calls.disable();
  }
}

/** The function that makes this call. */
export function enclosingCall(): FunctionCall | undefined {
  const call = running === 0 ? undefined : calls.getStore();
  return call?.over ? undefined : call;
}

/**
 * Notes that a function waits for a load.
 *
 * @param key the load's, as its caller gave it
 * @param others the loads of that key that are under way
 * @throws {UnsupportedError} if one of these waits for the function already, so that neither could ever end
 */
export function waitFor(flight: Flight, waiter: FunctionCall, key: string, others: Iterable<Flight>): void {
  const path = waitersUp(waiter.flight, new Set(others), new Set());
  if (path) {
    const keys = [...path.map(({ key: each }) => each ?? ''), key].map(shown);
    throw new UnsupportedError(`the function of getOrSet waits for itself: ${keys.join(' → ')}`);
  }
  flight.waiters ??= [];
  flight.waiters.push(waiter);
}

/** The function no longer waits for the load. */
export function waitOver(flight: Flight, waiter: FunctionCall): void {
  const at = flight.waiters?.indexOf(waiter) ?? -1;
  if (at >= 0) flight.waiters?.splice(at, 1);
}

/** From one of the targets, through loads that wait for each other, down to this one. */
function waitersUp(flight: Flight, targets: ReadonlySet<Flight>, seen: Set<Flight>): readonly Flight[] | undefined {
  if (targets.has(flight)) return [flight];
  if (seen.has(flight)) return undefined;
  seen.add(flight);
  for (const waiter of flight.waiters ?? []) {
    const path = waiter.over ? undefined : waitersUp(waiter.flight, targets, seen);
    if (path) return [...path, flight];
  }
  return undefined;
}
