import { BlockingPool, RoundRobinPool, type StoreOptions } from '../../../src/index.js';
import { nearStaleness, type StoreUnderLoad } from './topology.js';

/** Every way to use one server. `client`: one of the application's, for the same server. */
export const storesAt = (location: string, client: StoreOptions['client']): readonly StoreUnderLoad[] => [
  { title: 'shared connection', options: { location } },
  { title: 'our own parser', options: { location, parser: 'auto' } },
  { title: 'round-robin pool', options: { location, pool: { class: RoundRobinPool, size: 2 }, batch: false }, ordered: false },
  { title: 'blocking pool', options: { location, pool: { class: BlockingPool, max: 3, timeout: 200 } }, ordered: false },
  { title: 'RESP 2', options: { location, RESP: 2 } },
  { title: 'near cache', options: { location, near: {} }, staleness: nearStaleness },
  { title: 'deletions that wait', options: { location, invalidations: 'queue' } },
  { title: 'a client of the application', options: { client } },
  { title: 'Keyv', face: 'keyv', options: { location } },
];
