import { storeContract } from './contract/store.js';
import { isCluster, topologies } from './support/settings.js';

// And what else is no cluster.
for (const setting of topologies.filter((each) => !isCluster(each))) storeContract(setting);
