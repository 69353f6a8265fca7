import { storeContract } from './contract/store.js';
import { isCluster, usualTopologies } from './support/settings.js';

for (const setting of usualTopologies.filter(isCluster)) storeContract(setting);
