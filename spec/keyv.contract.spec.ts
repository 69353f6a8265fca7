import { keyvContract, majors } from './contract/keyv.js';
import { codecs, connections } from './support/settings.js';

for (const version of Object.keys(majors)) {
  for (const setting of [...connections, ...codecs]) keyvContract(version, setting);
}
