import { CommandError, ConnectionError, UnavailableError, UnsupportedError } from '../../errors.js';
import { debug } from '../../telemetry/outages.js';
import { clearTimeout, setTimeout } from '../../time/clock.js';
import type { Milliseconds } from '../../ttl.js';
import type { Connection, Tracking, TrackingListener } from '../connection.js';

/** Delay before asking nodes again that do not agree. */
const retryDelay: Milliseconds = 100;

interface Node {
  tracking: Tracking | undefined;
  tracks: boolean;
  refusedWith: Error | undefined;
}

/** The nodes' view of which node serves which keys, as text to compare; `undefined` while the nodes do not agree. */
export type View = (nodes: readonly Connection[]) => Promise<string | undefined>;

/**
 * Tracking on several nodes, reported as one. It starts when each node that serves reads tracks. It stops when one of them is lost, when
 * others take their place, and when keys move between them: a node does not announce changes of keys that it no longer owns.
 */
export class NodesTracking implements Tracking {
  readonly #listener: TrackingListener;
  readonly #view: View;
  readonly #onChange: () => void;
  readonly #nodes = new WeakMap<Connection, Node>();
  #serving: readonly Connection[] = [];
  #session = 0;
  #trackedView: string | undefined;
  #live = false;
  #asking = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `onChange` is called when the view of the nodes has changed. */
  constructor(listener: TrackingListener, view: View = async () => '', onChange: () => void = () => {}) {
    this.#listener = listener;
    this.#view = view;
    this.#onChange = onChange;
  }

  /** Tracks on a node. Called before the first command is sent to it. */
  add(connection: Connection): void {
    const node: Node = { tracking: undefined, tracks: false, refusedWith: undefined };
    const update = (tracks: boolean, refusedWith?: Error): void => {
      node.tracks = tracks;
      node.refusedWith = refusedWith;
      if (!this.#serving.includes(connection)) return;
      this.#stop();
      this.#refuse(refusedWith);
      this.#startIfAllTrack();
    };
    node.tracking = connection.track?.({
      started: () => update(true),
      stopped: () => update(false),
      refused: (reason) => update(false, reason),
      invalidated: (key) => this.invalidated(key),
    });
    this.#nodes.set(connection, node);
  }

  /** Sets the nodes that reads go to from now on. They may serve other keys than before. */
  serve(connections: readonly Connection[]): void {
    this.#serving = [...new Set(connections)];
    this.#stop();
    // A refusal of a node matters only once reads go to it.
    this.#refuse(this.#serving.map((connection) => this.#nodes.get(connection)?.refusedWith).find(Boolean));
    this.#startIfAllTrack();
  }

  /** Reads of some keys move to this node, which may not have served reads before. */
  moved(to: Connection): void {
    this.serve([...this.#serving, to]);
  }

  /** The key has changed, or is being read from a node that need not announce its changes. */
  invalidated(key: string | null): void {
    if (!this.#closed) this.#listener.invalidated(key);
  }

  async confirm(): Promise<void> {
    const session = this.#session;
    const view = await this.#ask();
    if (session !== this.#session) throw new ConnectionError('the nodes that were asked are others now');
    if (view === this.#trackedView) return;
    this.#stop();
    this.#onChange();
    this.#startIfAllTrack();
    throw new ConnectionError('the nodes serve other keys than before');
  }

  close(): void {
    this.#closed = true;
    this.#stop();
    for (const connection of this.#serving) this.#nodes.get(connection)?.tracking?.close();
  }

  /** Confirms each node's tracking, and asks all of them for their view. */
  async #ask(): Promise<string | undefined> {
    const confirmed = this.#serving.map((connection) => this.#nodes.get(connection)?.tracking?.confirm());
    const [view] = await Promise.all([this.#view(this.#serving), ...confirmed]);
    return view;
  }

  #refuse(reason: Error | undefined): void {
    if (reason && !this.#closed) this.#listener.refused(reason);
  }

  #stop(): void {
    this.#session++;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#live) return;
    this.#live = false;
    debug(() => 'tracking: off, of all nodes: one was lost, or keys move');
    this.#listener.stopped();
  }

  #startIfAllTrack(): void {
    if (this.#closed || this.#live || this.#asking || this.#timer || this.#serving.length === 0) return;
    if (this.#serving.every((connection) => this.#nodes.get(connection)?.tracks)) void this.#start();
  }

  async #start(): Promise<void> {
    const session = this.#session;
    this.#asking = true;
    let refused = false;
    try {
      const view = await this.#ask();
      if (session === this.#session && view !== undefined) {
        this.#trackedView = view;
        this.#live = true;
        debug(() => `tracking: on, of all ${this.#serving.length} nodes`);
        this.#listener.started();
      }
    } catch (error) {
      // A node that is lost or busy for the moment will start again by itself. Any other error is a refusal.
      const final = error instanceof UnsupportedError || (error instanceof CommandError && !(error instanceof UnavailableError));
      if (final && session === this.#session) {
        refused = true;
        this.#refuse(error);
      }
    } finally {
      this.#asking = false;
    }
    if (session !== this.#session) return this.#startIfAllTrack();
    if (this.#live || refused) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#startIfAllTrack();
    }, retryDelay).unref();
  }
}
