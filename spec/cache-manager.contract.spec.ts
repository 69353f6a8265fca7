import { cacheManagerContract, ways } from './contract/cache-manager.js';
import { codecs, connections } from './support/settings.js';

for (const way of Object.keys(ways)) {
  for (const setting of [...connections, ...codecs]) cacheManagerContract(way, setting);
}
