import { cacheManagerContract, ways } from './contract/cache-manager.js';
import { faced, facesBeyondTheFirst, plainTopologies } from './support/settings.js';
import { together } from './support/together.js';

const names = Object.keys(ways);
const some = facesBeyondTheFirst(names, '7.2.9, createKeyv');

for (const [i, setting] of faced.entries()) {
  for (const way of i === 0 ? names : some) cacheManagerContract(way, setting);
}
for (const setting of plainTopologies) {
  together(setting, (shared) => {
    for (const way of some) cacheManagerContract(way, shared);
  });
}
