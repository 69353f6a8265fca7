import { keyvContract, majors } from './contract/keyv.js';
import { codecs, connections, plainTopologies } from './support/settings.js';
import { together } from './support/together.js';

const versions = Object.keys(majors);

for (const version of versions) {
  for (const setting of [...connections, ...codecs]) keyvContract(version, setting);
}
for (const setting of plainTopologies) {
  together(setting, (shared) => {
    for (const version of versions) keyvContract(version, shared);
  });
}
