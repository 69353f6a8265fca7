import { CommandError, ConnectionError, UnavailableError, UnsupportedError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Connection } from './connection.js';
import type { Tracking, TrackingListener } from './tracking.js';

/** How long to wait where the nodes do not agree, before they are asked again. */
const pause: Milliseconds = 100;

interface Node {
  tracking: Tracking | undefined;
  tracks: boolean;
  /** Why it does not track, where it has said so. */
  refusal: Error | undefined;
}

/** Why there is none where replicas are read. */
export function readsReplicas(): UnsupportedError {
  return new UnsupportedError("it needs every read to go to a primary, and `readFrom` is 'replica'");
}

/** What the nodes say of who serves what, as text that changes when that does; `undefined` while they do not agree. */
export type View = (nodes: readonly Connection[]) => Promise<string | undefined>;

/**
 * Tracking on several nodes, told as one: begun when each node that serves reads tracks, ended when one of them is lost, when
 * others take their place, and when keys move between them, for a node tells nothing of keys that are not its own any more.
 */
export class NodesTracking implements Tracking {
  readonly #listener: TrackingListener;
  readonly #view: View;
  readonly #onChange: () => void;
  readonly #nodes = new WeakMap<Connection, Node>();
  #serving: readonly Connection[] = [];
  #session = 0;
  #seen: string | undefined;
  #live = false;
  #asking = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `onChange`: told where the nodes say something else than before. */
  constructor(listener: TrackingListener, view: View = async () => '', onChange: () => void = () => {}) {
    this.#listener = listener;
    this.#view = view;
    this.#onChange = onChange;
  }

  /** Has a node tell what changes. Before the first command is sent to it. */
  add(connection: Connection): void {
    const node: Node = { tracking: undefined, tracks: false, refusal: undefined };
    const tell = (tracks: boolean, refusal?: Error): void => {
      node.tracks = tracks;
      node.refusal = refusal;
      if (!this.#serving.includes(connection)) return;
      this.#stop();
      if (refusal) this.#refused(refusal);
      this.#startWhereAllTrack();
    };
    node.tracking = connection.track?.({
      started: () => tell(true),
      stopped: () => tell(false),
      refused: (reason) => tell(false, reason),
      invalidated: (key) => this.invalidated(key),
    });
    this.#nodes.set(connection, node);
  }

  /** These are the nodes that reads go to from now on, and what they serve may not be what they served before. */
  serve(connections: readonly Connection[]): void {
    this.#serving = [...new Set(connections)];
    this.#stop();
    // What a node says before reads go to it is nobody's concern until they do.
    const refusal = this.#serving.map((connection) => this.#nodes.get(connection)?.refusal).find(Boolean);
    if (refusal) this.#refused(refusal);
    this.#startWhereAllTrack();
  }

  /** Reads go to this node too from now on, for something that another one served. */
  moved(to: Connection): void {
    this.serve([...this.#serving, to]);
  }

  /** The key has changed, or what is being read of it comes from a node that need not tell. */
  invalidated(key: string | null): void {
    if (!this.#closed) this.#listener.invalidated(key);
  }

  async confirm(): Promise<void> {
    const session = this.#session;
    const view = await this.#ask();
    if (session !== this.#session) throw new ConnectionError('the nodes that were asked are others now');
    if (view === this.#seen) return;
    this.#stop();
    this.#onChange();
    this.#startWhereAllTrack();
    throw new ConnectionError('the nodes serve other keys than before');
  }

  close(): void {
    this.#closed = true;
    this.#stop();
    for (const connection of this.#serving) this.#nodes.get(connection)?.tracking?.close();
  }

  /** Each node whether it tracks, and all of them who serves what. */
  async #ask(): Promise<string | undefined> {
    const confirmed = this.#serving.map((connection) => this.#nodes.get(connection)?.tracking?.confirm());
    const [view] = await Promise.all([this.#view(this.#serving), ...confirmed]);
    return view;
  }

  #refused(reason: Error): void {
    if (!this.#closed) this.#listener.refused(reason);
  }

  #stop(): void {
    this.#session++;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#live) return;
    this.#live = false;
    this.#listener.stopped();
  }

  #startWhereAllTrack(): void {
    if (this.#closed || this.#live || this.#asking || this.#timer || this.#serving.length === 0) return;
    if (this.#serving.every((connection) => this.#nodes.get(connection)?.tracks)) void this.#start();
  }

  async #start(): Promise<void> {
    const session = this.#session;
    this.#asking = true;
    let again = true;
    try {
      const view = await this.#ask();
      if (session === this.#session && view !== undefined) {
        this.#seen = view;
        this.#live = true;
        this.#listener.started();
      }
    } catch (error) {
      // Refused, and not only for the moment. A node that is lost comes back and says so.
      const refused = error instanceof UnsupportedError || (error instanceof CommandError && !(error instanceof UnavailableError));
      if (refused && session === this.#session) {
        again = false;
        this.#refused(error);
      }
    } finally {
      this.#asking = false;
    }
    if (session !== this.#session) return this.#startWhereAllTrack();
    if (this.#live || !again) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#startWhereAllTrack();
    }, pause).unref();
  }
}
