import type { Random } from './random.js';

/**
 * What the network is like.
 *
 * - `open`: everything passes.
 * - `frozen`: nothing passes, connections stay open; what came meanwhile passes afterwards, as after a pause of the network.
 * - `swallow`: what goes this way is lost. TCP loses nothing in the middle of a stream, so a connection that has lost a byte
 *   stays dead for good, like one whose NAT entry is gone, and only new ones work afterwards.
 * - `cut`: each connection ends after so many bytes of replies, in the middle of one where it falls so.
 * - `late`: everything comes so much later, in order. - `drip`: a few bytes at a time.
 * - `narrow`: so many bytes a second each way, for all connections together. What does not fit waits, first in the proxy, then
 *   at its sender. - `ramp`: round trips take longer and longer, and then less again. In both, nothing overtakes anything.
 * - `closing`: connections are accepted and closed at once. - `greeting`: they are greeted with these bytes by something that is no
 *   Redis. Either way the connections of before are gone.
 */
export type Condition =
  | { readonly kind: 'open' | 'frozen' | 'closing' }
  | { readonly kind: 'swallow'; readonly way: Way | 'both' }
  | { readonly kind: 'cut'; readonly from: number; readonly to: number }
  | { readonly kind: 'late'; readonly by: number; readonly jitter: number }
  | { readonly kind: 'drip'; readonly bytes: number; readonly every: number }
  | { readonly kind: 'narrow'; readonly bytesPerSecond: number }
  | { readonly kind: 'ramp'; readonly from: number; readonly to: number; readonly over: number }
  | { readonly kind: 'greeting'; readonly bytes: Buffer; readonly stays: boolean };

export type Way = 'requests' | 'replies';

/** What speaks first on a port that is not Redis's, or is Redis without a place for one more client. */
const greetings: readonly (Buffer | string)[] = [
  'SSH-2.0-OpenSSH_9.6\r\n',
  '220 mail.internal ESMTP\r\n',
  'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n',
  '-ERR max number of clients reached\r\n',
  '-DENIED Redis is running in protected mode\r\n',
  // An alert of TLS, and the greeting of MySQL.
  Buffer.from([0x15, 3, 3, 0, 2, 2, 0x28]),
  Buffer.from('\x4a\x00\x00\x00\x0a8.0.36\x00\x0b\x00\x00\x00', 'latin1'),
];

/** One of the greetings, or random bytes. */
export function garbage(random: Random): Condition {
  const bytes =
    random.next() < 0.7 ? random.pick(greetings) : Uint8Array.from({ length: random.integer(1, 200) }, () => random.integer(0, 255));
  return { kind: 'greeting', bytes: Buffer.from(bytes as Buffer), stays: random.next() < 0.5 };
}
