import { expect } from 'chai';
import { type ClusterView, newestTable } from '../../../src/connection/topology/cluster-view.js';
import { rejection } from '../../support/open.js';

const view = (epoch: number, isWell = true): ClusterView => ({
  epoch,
  isWell,
  ranges: [{ from: 0, to: 16_383, primary: `of epoch ${epoch}`, replicas: [] }],
});
const later = (time: number, of: ClusterView): Promise<ClusterView> => new Promise((resolve) => setTimeout(() => resolve(of), time));
const chosen = async (asked: Promise<ClusterView>[], orUnwell?: boolean): Promise<string | undefined> =>
  (await newestTable(asked, 1000, orUnwell))[0]?.primary;

describe('the table of a cluster', () => {
  it('is that of the newest epoch, of nodes that answer about as fast as the first', async () => {
    expect(await chosen([Promise.resolve(view(3)), later(20, view(5)), later(10, view(4))])).to.equal('of epoch 5');
    expect(await chosen([Promise.resolve(view(3)), new Promise(() => {})])).to.equal('of epoch 3');
  });

  it('is never that of a node which is cut off, as long as another answers', async () => {
    expect(await chosen([Promise.resolve(view(9, false)), later(100, view(5))])).to.equal('of epoch 5');
    expect(await chosen([Promise.resolve(view(9, false)), Promise.reject(new Error('down')), later(10, view(5))])).to.equal('of epoch 5');
  });

  it('is kept where only such nodes answer, and taken from them where there is none', async () => {
    const cutOff = () => [Promise.resolve(view(2, false)), Promise.resolve(view(3, false))];
    expect(await rejection(chosen(cutOff()))).to.include({ code: 'ERR_UNAVAILABLE' });
    expect(await chosen(cutOff(), true)).to.equal('of epoch 3');
    expect((await rejection(chosen([Promise.reject(new Error('down'))], true))).message).to.equal('down');
  });
});
