import { storeContract } from './contract/store.js';
import { isCluster, usualTopologies } from './support/settings.js';

// And what else is no cluster.
for (const setting of usualTopologies.filter((each) => !isCluster(each))) storeContract(setting);
