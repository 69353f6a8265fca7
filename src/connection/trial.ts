import { BreakerOpenError } from '../errors.js';

/**
 * The answer to one of two commands that were sent together, asked again if it was refused and the other one was answered: when Redis is
 * back, one command goes ahead as the trial of the circuit breaker, and the rest of the call is refused.
 */
export async function unlessRefused<T>(asked: Promise<T>, other: Promise<unknown> | undefined, ask: () => Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof BreakerOpenError)) throw error;
    await other;
    return ask();
  }
}
