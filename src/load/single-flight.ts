import { AsyncLocalStorage } from 'node:async_hooks';
import type { LoadsUnderWay } from '../cache/loads-under-way.js';
import type { ReadEntry } from '../codec/entry.js';
import { UnsupportedError } from '../errors.js';
import { shown } from '../messages.js';
import { performance } from '../time/clock.js';
import { attempt, ending } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';

/** A read of an entry before its load begins, which goes on with it unless it is a plain hit. */
export interface FirstLook {
  readonly owner: object;
  readonly entry: Promise<ReadEntry>;
  /** The same, once it has arrived. */
  answer?: ReadEntry;
  /** When it began, on the monotonic clock, and by `runningTime`. */
  readonly at: Milliseconds;
  readonly began: Milliseconds;
  /** See `Tags.prefetch`. */
  readonly prefetch: Promise<unknown> | undefined;
}

/** A load under way, as the load itself sees it. */
export interface Flight {
  /** A later write or deletion of this process: what the load brings is older. */
  readonly isOvertaken: boolean;
  /** Set once the function of the load runs, which may never end. */
  isRunning?: boolean;
  /** The caller's key, set with `isRunning`. */
  key?: string;
  /** Functions that wait for the load. */
  waiters?: RunningFunction[];
}

class OpenFlight implements Flight {
  isOvertaken = false;
  /** Whether later callers share it. */
  isOpen = true;
  declare isRunning?: boolean;
  declare key?: string;
  declare waiters?: RunningFunction[];
  readonly owner: object;
  readonly isFresh: boolean;
  readonly began: Milliseconds = performance.now();
  #result: Promise<unknown> | undefined;
  #resolve: ((result: Promise<unknown>) => void) | undefined;

  constructor(owner: object, isFresh: boolean) {
    this.owner = owner;
    this.isFresh = isFresh;
  }

  /** Events and traces of the load may join it while it begins, before there is a result. */
  get result(): Promise<unknown> {
    this.#result ??= new Promise((resolve) => {
      this.#resolve = resolve;
    });
    return this.#result;
  }

  set result(result: Promise<unknown>) {
    this.#resolve?.(result);
    this.#result = result;
  }
}

/**
 * One read, and then one load, per owner and key at a time: callers meanwhile share its result, a rejection included. Nothing is kept
 * afterwards.
 */
export class SingleFlight implements LoadsUnderWay {
  readonly #looks = new Map<string, FirstLook>();
  readonly #flights = new Map<string, Set<OpenFlight>>();

  /** Joins a read of the key, or begins one. `undefined` while a load of it is under way, or another owner reads it. */
  look(owner: object, key: string, read: () => FirstLook): FirstLook | undefined {
    const underWay = this.#looks.get(key);
    if (underWay) return underWay.owner === owner ? underWay : undefined;
    if (this.#flights.has(key)) return undefined;
    const look = read();
    this.#looks.set(key, look);
    return look;
  }

  /** A read has ended. */
  looked(key: string, look: FirstLook): void {
    if (this.#looks.get(key) === look) this.#looks.delete(key);
  }

  /**
   * Joins a load, or begins one with `work`.
   *
   * @param maxAge a load that runs longer is no longer shared: it may never end
   * @param isFresh whether it overtakes the loads that are not: what they bring is of before
   * @returns the result, and whether an earlier caller began the load
   */
  run<T>(
    owner: object,
    key: string,
    work: (flight: Flight) => Promise<T>,
    maxAge: Milliseconds = Number.POSITIVE_INFINITY,
    isFresh = false,
  ): { readonly result: Promise<T>; readonly isJoined: boolean; readonly flight: Flight } {
    const flights = this.#flights.get(key) ?? new Set<OpenFlight>();
    for (const each of flights) {
      if (each.owner === owner && each.isOpen && performance.now() - each.began < maxAge)
        return { result: each.result as Promise<T>, isJoined: true, flight: each };
    }
    if (isFresh) overtake(flights);
    const flight = new OpenFlight(owner, isFresh);
    flights.add(flight);
    this.#flights.set(key, flights);
    const end = (): void => {
      flights.delete(flight);
      if (flights.size === 0 && this.#flights.get(key) === flights) this.#flights.delete(key);
    };
    const result = attempt(() => work(flight));
    result.then(end, end);
    flight.result = result;
    return { result, isJoined: false, flight };
  }

  /** The loads of the key that are under way, of every owner. */
  underWay(key: string): Iterable<Flight> {
    return this.#flights.get(key) ?? [];
  }

  forget(key: string): void {
    if (this.#looks.size > 0) this.#looks.delete(key);
    if (this.#flights.size === 0) return;
    for (const flight of this.#flights.get(key) ?? []) flight.isOvertaken = true;
    this.#flights.delete(key);
  }

  forgetThose(test: (key: string) => boolean): void {
    for (const key of this.#looks.keys()) if (test(key)) this.#looks.delete(key);
    for (const key of this.#flights.keys()) if (test(key)) this.forget(key);
  }

  forgetAll(): void {
    this.#looks.clear();
    for (const key of this.#flights.keys()) this.forget(key);
  }

  close(): void {
    for (const flights of this.#flights.values()) for (const flight of flights) flight.isOpen = false;
  }

  /** Closes loads of the key whose function runs and may never end. Those that wait for another process stay shared: they ask Redis again and again. */
  closeRunning(key: string): void {
    for (const flight of this.#flights.get(key) ?? []) if (flight.isRunning) flight.isOpen = false;
  }
}

/** Later callers share none of these but the fresh ones, and their values are not stored. */
function overtake(flights: Set<OpenFlight>): void {
  for (const flight of flights) {
    if (flight.isFresh) continue;
    flight.isOvertaken = true;
    flights.delete(flight);
  }
}

/** A running function of a load. Work that it started and did not await no longer waits on its behalf once it is over. */
export interface RunningFunction {
  readonly flight: Flight;
  isOver: boolean;
}

const calls = new AsyncLocalStorage<RunningFunction>();
/** How many functions run. Without any the storage is off, because it makes every promise of the process cost more. */
let running = 0;

/** Runs the function of a load, so that loads which it begins or joins know which load waits for them. */
export function insideLoad<T>(flight: Flight, work: () => T | Promise<T>): Promise<T> {
  const call: RunningFunction = { flight, isOver: false };
  running++;
  const end = (): void => {
    call.isOver = true;
    if (--running === 0) calls.disable();
  };
  return ending(
    attempt(() => Promise.resolve(calls.run(call, work))),
    end,
  );
}

/** Runs work as a part of a function of a load that has begun. */
export function continueInside<T>(running: RunningFunction, work: () => T): T {
  return calls.run(running, work);
}

/** The function of a load that makes this call. */
export function enclosingFunction(): RunningFunction | undefined {
  const call = running === 0 ? undefined : calls.getStore();
  return call?.isOver ? undefined : call;
}

/**
 * Notes that a function waits for a load.
 *
 * @param key the load's, as its caller gave it
 * @param others the loads of that key that are under way
 * @throws {UnsupportedError} if one of these waits for the function already, so that neither could ever end
 */
export function waitFor(flight: Flight, waiter: RunningFunction, key: string, others: Iterable<Flight>): void {
  const path = waitersUp(waiter.flight, new Set(others), new Set());
  if (path) {
    const keys = [...path.map(({ key: each }) => each ?? ''), key].map((each) => (each.length > 40 ? shown(each) : JSON.stringify(each)));
    throw new UnsupportedError(`the function of getOrSet waits for itself: ${keys.join(' → ')}`);
  }
  flight.waiters ??= [];
  flight.waiters.push(waiter);
}

/** The function no longer waits for the load. */
export function endWait(flight: Flight, waiter: RunningFunction): void {
  const at = flight.waiters?.indexOf(waiter) ?? -1;
  if (at >= 0) flight.waiters?.splice(at, 1);
}

/** The path from one of the targets to this load, through loads that wait for each other. */
function waitersUp(flight: Flight, targets: ReadonlySet<Flight>, visited: Set<Flight>): readonly Flight[] | undefined {
  if (targets.has(flight)) return [flight];
  if (visited.has(flight)) return undefined;
  visited.add(flight);
  for (const waiter of flight.waiters ?? []) {
    const path = waiter.isOver ? undefined : waitersUp(waiter.flight, targets, visited);
    if (path) return [...path, flight];
  }
  return undefined;
}
