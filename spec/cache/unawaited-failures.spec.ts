import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { sharedServer } from '../support/hooks.js';
import { openStore, rejection } from '../support/open.js';
import { unhandled } from '../support/unhandled.js';
import { rawClient } from '../support/wire.js';

describe('failures that an operation does not wait for', () => {
  it('are not unhandled if a clear goes on scanning after its first deletion was refused', async () => {
    const redis = await rawClient(sharedServer());
    const user = `reader-${randomUUID()}`;
    await redis.sendCommand(['ACL', 'SETUSER', user, 'on', '>pw', '~*', '+@all', '-unlink', '-del']);
    const prefix = randomUUID();
    await openStore({ prefix }).mset(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i] as const));
    const store = openStore({ prefix, username: user, password: 'pw' });
    const left = await unhandled(async () => expect((await rejection(store.clear())).code).to.equal('ERR_PERMISSION'));
    expect(left).to.deep.equal([]);
    await redis.sendCommand(['ACL', 'DELUSER', user]);
    redis.destroy();
  });

  it('are not unhandled if a value cannot be encoded and a wrong argument keeps the whole mset from being sent', async () => {
    const serializer = { name: 'failing', stringify: () => Promise.reject(new Error('no bytes')), parse: JSON.parse };
    const store = openStore({ serializer });
    const entries = [
      ['k', 'text'],
      [5 as never, 'text'],
    ] as const;
    const left = await unhandled(async () => expect((await rejection(store.mset(entries))).code).to.equal('ERR_ARGUMENT'));
    expect(left).to.deep.equal([]);
  });
});
