import { storeContract } from './contract/store.js';
import { isCluster, topologies } from './support/settings.js';

for (const setting of topologies.filter(isCluster)) storeContract(setting);
