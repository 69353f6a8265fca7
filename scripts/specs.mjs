// The files of the specs, and how mocha runs several of them side by side.
import { readdirSync } from 'node:fs';
import { root } from './setup.mjs';

/**
 * Files that take longest, longest first. A file is the unit of parallel work, so these start first. They use several servers or
 * processes, or wait: none of them depends on the version of Node.
 */
export const slow = [
  'spec/connection/topology/cluster-faults.spec.ts',
  'spec/load/fleet.spec.ts',
  'spec/clusters.contract.spec.ts',
  'spec/near/coherence.spec.ts',
  'spec/telemetry/monitoring.spec.ts',
  'spec/connection/topology/sentinel-failover.spec.ts',
  'spec/cache/tag-generations.spec.ts',
  'spec/connection/topology/cluster-failover.spec.ts',
  'spec/near/cluster.spec.ts',
  'spec/load/entry-watch.spec.ts',
  'spec/keyv.contract.spec.ts',
  'spec/near/sentinel.spec.ts',
  'spec/sentinels.contract.spec.ts',
  'spec/examples.spec.ts',
  'spec/example-programs.spec.ts',
  'spec/commands/delete-queue.spec.ts',
  'spec/connection/topology/sentinel.spec.ts',
  'spec/cache/tags-processes.spec.ts',
  'spec/connection/topology/cluster.spec.ts',
  'spec/store.contract.spec.ts',
  'spec/keyv/adapter.spec.ts',
  'spec/load/early.spec.ts',
  'spec/load/deadline.spec.ts',
  'spec/cache/tags-clock.spec.ts',
  'spec/cache/tags-random.spec.ts',
  'spec/connection/guard.spec.ts',
  'spec/connection/reply-errors.spec.ts',
  'spec/commands/release-queue.spec.ts',
];

/** All spec files, the slow ones first. */
export function specFiles() {
  const all = readdirSync(`${root}/spec`, { recursive: true })
    .map((name) => `spec/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.spec.ts'))
    .sort();
  const missing = slow.filter((name) => !all.includes(name));
  if (missing.length > 0) throw new Error(`scripts/specs.mjs names files that do not exist: ${missing.join(', ')}`);
  return [...slow, ...all.filter((name) => !slow.includes(name))];
}

/** Most of the time of a spec is waiting: so many processes keep two cores busy. */
export const sideBySide = ['--parallel', '--jobs', '5'];
