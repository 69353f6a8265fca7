import { expect } from 'chai';
import { openStore } from '../support/open.js';
import { until } from '../support/until.js';

describe('sliding expiration', () => {
  it('renews by the time that an entry gets, which `maxTtl` bounds', async () => {
    const store = openStore({ maxTtl: 2000 });
    const view = store.with({ sliding: '1h' });
    await view.set('k', 'v');
    const end = performance.now() + 3500;
    await until(async () => {
      expect(await view.get('k')).to.equal('v');
      return performance.now() > end;
    });
  });
});
