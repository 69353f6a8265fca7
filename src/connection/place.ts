import { type ConnectionPhase, TimeoutError } from '../errors.js';
import { shownAddress } from '../messages.js';
import type { ClientOptions, SocketOptions } from './client/client-options.js';
import { withHint } from './hints.js';

/** Where a connection goes, as its errors name it. */
export interface Place {
  /** `host:port` or the path of a socket, if it may be shown. */
  readonly address: string | undefined;
  readonly isTls: boolean;
}

/** A place, and how far the connection to it was. */
export interface Whereabouts extends Place {
  readonly phase: ConnectionPhase | undefined;
}

export function placeOf(options: { readonly socket?: ClientOptions['socket'] | SocketOptions } | undefined): Place {
  const socket = (options?.socket ?? {}) as SocketOptions;
  return { address: shownAddress(socket), isTls: socket.tls === true };
}

const phaseNames: Readonly<Record<ConnectionPhase, string>> = {
  resolving: 'resolving the name',
  connecting: 'connecting',
  tls: 'TLS handshake',
  handshake: 'handshake',
  use: 'in use',
};

/** `Redis at host:port (connecting)` */
export function redisAt({ address, phase }: Partial<Whereabouts> = {}): string {
  const at = address === undefined ? 'Redis' : `Redis at ${address}`;
  return phase === undefined ? at : `${at} (${phaseNames[phase]})`;
}

/** Node's code of an error, or ours; empty if it has none. */
export function codeOf(cause: unknown): string {
  const { code } = (cause ?? {}) as { code?: unknown };
  if (typeof code === 'string') return code;
  // node-redis's class for a socket that the other side closed.
  return (cause as Error | undefined)?.constructor?.name === 'SocketClosedUnexpectedlyError' ? 'ECONNRESET' : '';
}

const ofCertificates = /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/** In which phase a connection failed: `step`, or what the error says more precisely. */
export function phaseOf(cause: unknown, { phase: step, isTls }: Whereabouts): ConnectionPhase | undefined {
  if (step === 'use') return step;
  const { syscall } = (cause ?? {}) as { syscall?: unknown };
  const code = codeOf(cause);
  if (syscall === 'getaddrinfo') return 'resolving';
  if (/^(?:EPROTO$|ERR_SSL_|ERR_TLS_)/.test(code) || ofCertificates.test(code)) return 'tls';
  if (step === 'connecting' && isTls && code === 'ECONNRESET' && syscall !== 'connect') return 'tls';
  return syscall === 'connect' ? 'connecting' : step;
}

/** A sentence about what failed there, with what to do. */
export function described(text: string, code: string, where: Partial<Whereabouts> | undefined): string {
  return withHint(text, { code, phase: where?.phase, isTls: where?.isTls });
}

/** Why Redis does not serve, with what to do, the code and the phase. */
export function explained(cause: unknown): string {
  const { message = 'no answer', code = '', phase } = (cause ?? {}) as { message?: string; code?: string; phase?: ConnectionPhase };
  if (cause instanceof TimeoutError && phase === undefined) return `${withHint(message, { code })} (${code}, ${phaseNames.use})`;
  return `${message} (${phase === undefined ? code : `${code}, ${phaseNames[phase]}`})`;
}
