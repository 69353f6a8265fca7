import { loadContract } from './contract/loads.js';
import { isCluster, usual, usualTopologies } from './support/settings.js';
import { isWholeMatrix } from './support/whole.js';

/** Where loads take other commands, or another way. */
const telling = /^(TCP|near cache|our own parser|tags|encryption|memory:)$/;

for (const setting of usual) if (isWholeMatrix || telling.test(setting.title)) loadContract(setting);
for (const setting of usualTopologies.filter(isCluster).slice(0, isWholeMatrix ? undefined : 1)) loadContract(setting);
