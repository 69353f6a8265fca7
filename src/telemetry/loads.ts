import type { Factory } from '../extras/factory.js';
import type { Counters } from './counters.js';
import { loadTraced, type Source, traceLoad } from './tracing.js';

/** Counts the calls of a function given to `getOrSet`, and traces them where somebody subscribed. */
export function observedLoad<T>(
  make: Factory<T>,
  key: string,
  { counters, source }: { readonly counters: Counters; readonly source: Source },
): Factory<T> {
  return (context) => {
    counters.loads++;
    if (!loadTraced()) return make(context);
    return traceLoad({ source, key, renewal: context.stale !== undefined }, () => make(context));
  };
}
