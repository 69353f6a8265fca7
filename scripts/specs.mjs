// The files of the specs, and how mocha runs several of them side by side.
import { readdirSync } from 'node:fs';
import { root } from './setup.mjs';

/**
 * Files that take longest, about in this order: those that start twenty processes, or eight, are apart from each other. A file is the unit of
 * parallel work, so these start first. They use several servers or processes, or wait: none of them depends on the version of Node.
 */
export const slow = [
  'spec/connection/topology/cluster-faults.spec.ts',
  'spec/near/coherence.spec.ts',
  'spec/clusters.contract.spec.ts',
  'spec/connection/topology/sentinel-failover.spec.ts',
  'spec/commands/delete-queue.spec.ts',
  'spec/connection/topology/cluster-failover.spec.ts',
  'spec/load/fleet.spec.ts',
  'spec/near/cluster.spec.ts',
  'spec/connection/topology/cluster.spec.ts',
  'spec/telemetry/monitoring.spec.ts',
  'spec/connection/topology/sentinel.spec.ts',
  'spec/load/entry-watch.spec.ts',
  'spec/cache/tags-processes.spec.ts',
  'spec/near/sentinel.spec.ts',
  'spec/store.contract.spec.ts',
  'spec/examples.spec.ts',
  'spec/example-programs.spec.ts',
  'spec/cache/tag-generations.spec.ts',
  'spec/keyv.contract.spec.ts',
  'spec/sentinels.contract.spec.ts',
  'spec/keyv/adapter.spec.ts',
  'spec/load/early.spec.ts',
  'spec/load/deadline.spec.ts',
  'spec/cache/tags-clock.spec.ts',
  'spec/cache/tags-random.spec.ts',
  'spec/connection/guard.spec.ts',
  'spec/connection/reply-errors.spec.ts',
  'spec/commands/release-queue.spec.ts',
];

/** Files that take long on every version of Node: they start next. */
const long = [
  'spec/bounds/hostile-entries.spec.ts',
  'spec/near/offline-faces.spec.ts',
  'spec/near/offline.spec.ts',
  'spec/connection/outgoing.spec.ts',
  'spec/connection/blackhole.spec.ts',
  'spec/commands/unlinking.spec.ts',
  'spec/connection/breaker.spec.ts',
  'spec/connection/direct/direct.spec.ts',
  'spec/connection/handshake.spec.ts',
  'spec/connection/busy.spec.ts',
  'spec/cache/scans.spec.ts',
  'spec/time/deadlines.spec.ts',
  'spec/model.spec.ts',
  'spec/near/tier.spec.ts',
  'spec/store/coherent-memory.spec.ts',
  'spec/unawaited.spec.ts',
  'spec/options/secrets.spec.ts',
];

/** All spec files, those that take longest first. */
export function specFiles() {
  const all = readdirSync(`${root}/spec`, { recursive: true })
    .map((name) => `spec/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.spec.ts'))
    .sort();
  const first = [...slow, ...long];
  const missing = first.filter((name) => !all.includes(name));
  if (missing.length > 0) throw new Error(`scripts/specs.mjs names files that do not exist: ${missing.join(', ')}`);
  return [...first, ...all.filter((name) => !first.includes(name))];
}

/** Most of the time of a spec is waiting: so many processes keep two cores busy. */
export const sideBySide = ['--parallel', '--jobs', '7'];
