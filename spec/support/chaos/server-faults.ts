import { type Condition, garbage } from './condition.js';
import type { OneServer } from './one-server.js';
import type { Random } from './random.js';
import { drip, ramp, rampTime, timeout } from './topology.js';
import type { Order } from './what-happened.js';

type Inject = (it: OneServer, random: Random) => Promise<void>;

const network =
  (condition: (random: Random) => Condition): Inject =>
  async (it, random) =>
    it.proxy.become(condition(random));

/** Keeps Redis busy with a script, as a slow command of another client would. */
const busy = (it: OneServer, rounds: number): Promise<void> =>
  it.aside(async (client) => {
    client.sendCommand(['EVAL', `for i = 1, ${rounds} do end`, '0']).catch(() => {});
  });

export const faults: Record<string, Inject> = {
  'the network is frozen': network(() => ({ kind: 'frozen' })),
  'the network loses requests': network(() => ({ kind: 'swallow', way: 'requests' })),
  'the network loses replies': network(() => ({ kind: 'swallow', way: 'replies' })),
  'connections are cut in the middle of replies': network((random) => ({ kind: 'cut', from: 1, to: random.pick([500, 5000, 50_000]) })),
  'the network is late': network((random) => ({ kind: 'late', by: random.integer(20, 200), jitter: random.integer(50, 300) })),
  'the network is almost too late': network(() => ({ kind: 'late', by: 0.39 * timeout, jitter: 0.05 * timeout })),
  'the network is narrow, both ways': network((random) => ({ kind: 'narrow', bytesPerSecond: 1000 * random.integer(10, 60) })),
  [ramp]: network(() => ({ kind: 'ramp', from: 1, to: 1500, over: rampTime })),
  [drip]: network((random) => ({ kind: 'drip', bytes: random.integer(1, 64), every: random.integer(1, 10) })),
  'connections are reset again and again': async (it, random) => it.every(random.integer(10, 150), () => it.proxy.reset()),
  'connections are half-open': async (it) => it.proxy.present({ kind: 'swallow', way: 'both' }),
  'connections are accepted and closed': network(() => ({ kind: 'closing' })),
  'the port greets with garbage': network(garbage),
  'handshakes take 100 ms each, one after the other': async (it) => {
    it.proxy.handshakes.cost = 100;
    it.proxy.reset();
  },
  'connections are refused': (it) => it.proxy.refuse(),
  'the server is frozen': async (it) => it.server.freeze(),
  'the server is dead': (it) => it.server.stop(),
  'the server is restarted without its data': (it) => it.restart(),
  'the server kills its clients again and again': (it, random) =>
    it.aside(async (client) => {
      it.every(random.integer(20, 150), () => client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']).catch(() => {}));
    }),
  'the server is busy with a script': (it, random) => busy(it, random.integer(1, 2) * 1e8),
  'the server answers that it is busy': async (it, random) => {
    await it.aside((client) => client.sendCommand(['CONFIG', 'SET', 'lua-time-limit', '50']));
    await busy(it, random.integer(1, 2) * 1e8);
  },
  'commands are refused': (it, random) =>
    it.aside(async (client) => {
      const commands = random.some(refusable, random.integer(1, 4));
      const user = (sign: '-' | '+') => client.sendCommand(['ACL', 'SETUSER', 'default', ...commands.map((command) => sign + command)]);
      await user('-');
      it.onHeal(() => user('+'));
    }),
};

/** Commands that a store sends, and a provider or an administrator forbids. */
const refusable = ['get', 'mget', 'set', 'del', 'unlink', 'exists', 'eval', 'evalsha', 'pttl', 'getrange'];

/** While these go on, requests wait in the network or at the server. Those of one connection may overtake those of another. */
const queueing: readonly string[] = [
  'the network is frozen',
  'the network is late',
  'the network is almost too late',
  'the network is narrow, both ways',
  ramp,
  'the server is frozen',
  'the server is busy with a script',
  'the server answers that it is busy',
];

export const orderDuring = (fault: string): Order => (fault === drip ? 'nowhere' : queueing.includes(fault) ? 'per writer' : 'everywhere');
