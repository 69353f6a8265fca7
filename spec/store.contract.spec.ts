import { storeContract } from './contract/store.js';
import { usual } from './support/settings.js';

for (const setting of usual) storeContract(setting);
