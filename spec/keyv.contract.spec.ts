import { type KeyvFace, keyvContract, keyvFaces } from './contract/keyv.js';
import { faced, facesBeyondTheFirst, plainTopologies } from './support/settings.js';
import { together } from './support/together.js';

const some = facesBeyondTheFirst(keyvFaces, { version: '6.1.0', how: 'createKeyv' } satisfies KeyvFace);

for (const [i, setting] of faced.entries()) {
  for (const face of i === 0 ? keyvFaces : some) keyvContract(face, setting);
}
for (const setting of plainTopologies) {
  together(setting, (shared) => {
    for (const face of some) keyvContract(face, shared);
  });
}
