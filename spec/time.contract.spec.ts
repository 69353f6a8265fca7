import { timeContract } from './contract/time.js';
import { isCluster, usual, usualTopologies } from './support/settings.js';
import { isWholeMatrix } from './support/whole.js';

/** Where times are kept by other commands, or in another way. */
const telling = /^(TCP|near cache|our own parser|tags|encryption|memory:)$/;

for (const setting of usual) if (isWholeMatrix || telling.test(setting.title)) timeContract(setting);
for (const setting of usualTopologies.filter(isCluster).slice(0, isWholeMatrix ? undefined : 1)) timeContract(setting);
