import type { ConnectionPhase } from '../errors.js';

/** A failure of a connection, as far as it tells what to do. */
export interface Failure {
  /** Node's code of the error, or the first word of an error reply. */
  readonly code: string;
  readonly phase?: ConnectionPhase | undefined;
  readonly isTls?: boolean | undefined;
}

/** What to do about a kind of failure. */
interface Advice {
  readonly code: RegExp;
  /** The phases that it applies to. Default: all. */
  readonly phases?: readonly ConnectionPhase[];
  /** Applies only with TLS, or only without. Default: to both. */
  readonly isTls?: boolean;
  readonly hint: string;
}

/** The error of a connection that the other side has ended. */
const ended = /^(?:ECONNRESET|ECONNABORTED|EPIPE|ERR_PROTOCOL)$/;

/** All that errors of connections advise. The first that applies is shown. */
const advices: readonly Advice[] = [
  { code: /^ENOTFOUND$/, hint: 'No such name: check the host, and the DNS of this machine or container' },
  { code: /^EAI_/, hint: 'The DNS does not answer: check the network of this machine or container' },
  {
    code: /^ECONNREFUSED$/,
    phases: ['connecting'],
    hint: 'Nothing listens there: is Redis running, and are host and port right? In a container, localhost is the container itself',
  },
  {
    code: /^ENOENT$/,
    phases: ['connecting'],
    hint: 'There is no such socket: is Redis running, and does its `unixsocket` name this path?',
  },
  { code: /^E(?:ACCES|PERM)$/, phases: ['connecting'], hint: 'This process may not connect there: check the permissions of the socket' },
  { code: /^E(?:HOST|NET)UNREACH$/, phases: ['connecting'], hint: 'There is no route: check the host, the network and the VPN' },
  {
    code: /^ETIMEDOUT$/,
    phases: ['connecting'],
    isTls: true,
    hint: 'Check host, port and firewall. A port without TLS does not answer either: for that use redis://, or `socket.tls: false`',
  },
  { code: /^ETIMEDOUT$/, phases: ['connecting'], hint: 'Nothing answers there: check host, port, firewall and security group' },
  {
    code: /^ETIMEDOUT$/,
    phases: ['handshake'],
    hint: 'The server accepts connections and says nothing: is it frozen or overloaded, or no Redis?',
  },
  { code: /^ETIMEDOUT$/, phases: ['use'], hint: 'The server is frozen or overloaded, or the network is cut: check both' },
  { code: /^CERT_HAS_EXPIRED$/, hint: 'The certificate of the server has expired: renew it, and check the clock of this machine' },
  { code: /^CERT_NOT_YET_VALID$/, hint: 'Check the clock of this machine' },
  {
    code: /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|CERT_(?:SIGNATURE_FAILURE|UNTRUSTED)|UNABLE_TO_\w+)$/,
    hint: 'Set `socket.ca` to the certificate of the authority that signed that of the server',
  },
  {
    code: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    hint: 'The certificate is for other names: connect by one of them, or set `socket.servername` to one',
  },
  {
    code: /^ERR_SSL_\w*(?:CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|UNKNOWN_CA|BAD_CERTIFICATE)$/,
    hint: 'The server wants a certificate of the client that it trusts: set `socket.cert` and `socket.key`',
  },
  {
    code: /^(?:EPROTO|ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|HTTP_REQUEST))$/,
    hint: 'Is this a port without TLS? For that use redis://, or `socket.tls: false`',
  },
  { code: ended, phases: ['tls'], hint: 'Is this a port without TLS? For that use redis://, or `socket.tls: false`' },
  {
    code: ended,
    phases: ['handshake'],
    isTls: true,
    hint: 'The server may want a certificate of the client: set `socket.cert` and `socket.key`',
  },
  { code: ended, phases: ['handshake'], hint: 'Is this a TLS port? For that use rediss://, or `socket.tls: true`' },
  { code: ended, phases: ['use'], hint: 'The server or the network ended it: look at the log of the server' },
  {
    code: /^(?:WRONGPASS|ERR_AUTH)$/,
    hint: 'Check user and password. In a URL characters such as # / % are percent-encoded: encodeURIComponent(password)',
  },
  { code: /^NOAUTH$/, hint: 'Redis wants a password: set `password`, or redis://:password@host' },
  { code: /^NOPERM$/, hint: 'Allow it to the user with ACL SETUSER: docs/security.md lists what a store needs' },
  { code: /^ERR_MAX_CLIENTS$/, hint: 'Use fewer connections, or raise `maxclients`' },
  { code: /^ERR_TIMEOUT$/, hint: 'Is the server frozen or overloaded, or the network cut?' },
  { code: /^LOADING$/, hint: 'It is loading its data: wait' },
  { code: /^CLUSTERDOWN$/, hint: 'Check the nodes with CLUSTER INFO' },
];

/** The commands that begin a session, and how to do without each. */
export const sessionCommands = {
  HELLO: 'set `RESP: 2`',
  SELECT: 'leave out `database`, and keep stores apart by `prefix`',
  CLIENT: 'leave out `name`',
} as const;

/** What to do about a failure; `undefined` if that is unknown. */
export function hintOf({ code, phase, isTls = false }: Failure): string | undefined {
  const applies = (advice: Advice): boolean =>
    advice.code.test(code) &&
    (advice.phases === undefined || (phase !== undefined && advice.phases.includes(phase))) &&
    (advice.isTls === undefined || advice.isTls === isTls);
  return advices.find(applies)?.hint;
}

/** A sentence, and what to do. */
export function withHint(text: string, failure: Failure): string {
  const hint = hintOf(failure);
  return hint === undefined ? text : `${text.replace(/\.?\s*$/, '')}. ${hint}`;
}
