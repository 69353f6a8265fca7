import { storeContract } from './contract/store.js';
import { codecs, connections } from './support/settings.js';

for (const setting of [...connections, ...codecs]) storeContract(setting);
