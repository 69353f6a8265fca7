import { expect } from 'chai';
import { type Clear, PendingClears } from '../../src/commands/pending-deletions.js';

describe('clears that wait', () => {
  it('keep one that is added while an earlier one of its scope is being sent, and send it next', async () => {
    const clears = new PendingClears();
    const sent: string[] = [];
    const clear = (name: string, run: () => Promise<unknown>): Clear => ({
      scope: 'own',
      hides: () => true,
      run: () => {
        sent.push(name);
        return run();
      },
      refused: () => {},
    });
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    clears.add(clear('first', () => ended));
    const sending = clears.send();
    clears.add(clear('second', async () => {}));
    end();
    await sending;
    expect([clears.size, clears.hides('k')]).to.deep.equal([1, true]);
    await clears.send();
    expect([sent, clears.size]).to.deep.equal([['first', 'second'], 0]);
  });
});
