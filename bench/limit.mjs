// The limits: a bare pipelined socket and native JSON, with nothing that a library has to have. No errors, no reconnect, no
// deadlines; every command of a tick leaves in one write, replies are matched in order. The second one also gathers the gets of a tick
// in one MGET, as redis-tier does. What is slower than these has room.
import { connect } from 'node:net';

const CRLF = '\r\n';

export class BareSocket {
  #socket;
  #waiting = [];
  #head = 0;
  #out = '';
  /** The pieces of a reply that is not whole yet, how many bytes they are, and how many it needs at least. */
  #rest = null;
  #size = 0;
  #needed = 0;

  static async open({ port, path }, bare = new BareSocket()) {
    bare.#socket = path ? connect(path) : connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise((resolve, reject) => bare.#socket.once('connect', resolve).once('error', reject));
    bare.#socket.on('data', (chunk) => bare.#onData(chunk));
    return bare;
  }

  send(args) {
    return new Promise((resolve) => this.write(args, resolve));
  }

  /** `take` receives the reply. */
  write(args, take) {
    if (this.#out === '') setImmediate(() => this.flush());
    let command = `*${args.length}${CRLF}`;
    for (const arg of args) command += `$${Buffer.byteLength(arg)}${CRLF}${arg}${CRLF}`;
    this.#out += command;
    this.#waiting.push(take);
  }

  close() {
    this.#socket.destroy();
  }

  flush() {
    if (this.#out !== '') this.#socket.write(this.#out);
    this.#out = '';
  }

  #onData(chunk) {
    let data = chunk;
    if (this.#rest) {
      this.#rest.push(chunk);
      this.#size += chunk.length;
      // To try again with each piece of a large reply would take its square.
      if (this.#size < this.#needed) return;
      data = Buffer.concat(this.#rest);
    }
    let at = 0;
    for (let reply = parse(data, at); reply; reply = parse(data, at)) {
      this.#waiting[this.#head++](reply.value);
      at = reply.end;
    }
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
    }
    this.#rest = at < data.length ? [data.subarray(at)] : null;
    this.#size = data.length - at;
    this.#needed = needed - at;
  }
}

/** As many keys as redis-tier asks for in one MGET: the default of `batch.max`. */
const batch = 512;

/** A bare socket that reads together what is asked for in one turn of the event loop. */
export class CoalescingSocket extends BareSocket {
  #keys = [];
  #resolves = [];

  static async open(target) {
    return BareSocket.open(target, new CoalescingSocket());
  }

  get(key) {
    if (this.#keys.length === 0) setImmediate(() => this.#read());
    this.#keys.push(key);
    return new Promise((resolve) => this.#resolves.push(resolve));
  }

  #read() {
    const [keys, resolves] = [this.#keys, this.#resolves];
    [this.#keys, this.#resolves] = [[], []];
    for (let from = 0; from < keys.length; from += batch) {
      this.write(['MGET', ...keys.slice(from, from + batch)], (values) => {
        for (let i = 0; i < values.length; i++) resolves[from + i](values[i]);
      });
    }
    this.flush();
  }
}

/** How far the last reply reaches at least that was not whole. */
let needed = 0;

/** One reply, or undefined where it is not whole yet. */
function parse(data, start) {
  needed = data.length + 1;
  const line = data.indexOf(13, start);
  if (line === -1 || line + 1 >= data.length) return undefined;
  const type = data[start];
  if (type === 43) return { value: data.latin1Slice(start + 1, line), end: line + 2 };
  let number = 0;
  const negative = data[start + 1] === 45;
  for (let i = start + (negative ? 2 : 1); i < line; i++) number = number * 10 + data[i] - 48;
  if (negative) number = -number;
  if (type === 58) return { value: number, end: line + 2 };
  if (type === 36) {
    if (number === -1) return { value: null, end: line + 2 };
    const end = line + 2 + number;
    if (end + 2 <= data.length) return { value: data.utf8Slice(line + 2, end), end: end + 2 };
    needed = end + 2;
    return undefined;
  }
  const value = [];
  let at = line + 2;
  for (let i = 0; i < number; i++) {
    const item = parse(data, at);
    if (!item) return undefined;
    value.push(item.value);
    at = item.end;
  }
  return { value, end: at };
}
