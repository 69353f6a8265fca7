import type { StoreOptions } from '../../src/index.js';
import type { Setting } from './settings.js';

/** Several suites on the same servers, which start before the first suite and stop after the last: several nodes take seconds to form. */
export function together(setting: Setting, suites: (shared: Setting) => void): void {
  describe(`one ${setting.title} for all`, () => {
    let options: StoreOptions;
    before(async () => {
      options = await setting.options();
    });
    after(() => setting.after?.());
    const { after: _, ...rest } = setting;
    suites({ ...rest, options: async () => options });
  });
}
