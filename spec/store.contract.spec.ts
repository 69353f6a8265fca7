import { storeContract } from './contract/store.js';
import { codecs, connections, topologies } from './support/settings.js';

for (const setting of [...connections, ...topologies, ...codecs]) storeContract(setting);
