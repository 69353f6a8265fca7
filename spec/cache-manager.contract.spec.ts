import { cacheManagerContract, ways } from './contract/cache-manager.js';
import { codecs, connections, plainTopologies } from './support/settings.js';
import { together } from './support/together.js';

const names = Object.keys(ways);

for (const way of names) {
  for (const setting of [...connections, ...codecs]) cacheManagerContract(way, setting);
}
for (const setting of plainTopologies) {
  together(setting, (shared) => {
    for (const way of names) cacheManagerContract(way, shared);
  });
}
