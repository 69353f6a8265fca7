// For the study only: no package on npm implements S3-FIFO.

/** A list from the oldest node to the newest. */
class Queue {
  size = 0;
  #ends = {};

  constructor() {
    this.#ends.newer = this.#ends;
    this.#ends.older = this.#ends;
  }

  add(node) {
    node.queue = this;
    node.newer = this.#ends;
    node.older = this.#ends.older;
    node.older.newer = node;
    this.#ends.older = node;
    this.size++;
  }

  remove(node) {
    node.older.newer = node.newer;
    node.newer.older = node.older;
    this.size--;
    return node;
  }

  take() {
    return this.remove(this.#ends.newer);
  }
}

/**
 * S3-FIFO as in "FIFO queues are all you need for cache eviction" (SOSP 2023): a tenth of the entries in a small queue, from which those used
 * twice go to the main queue; keys that left the small queue are remembered, and go to the main queue if they return.
 */
export class S3Fifo {
  #nodes = new Map();
  #small = new Queue();
  #main = new Queue();
  #ghosts = new Queue();
  #max;
  #smallMax;

  constructor(max) {
    this.#max = max;
    this.#smallMax = Math.max(1, Math.round(max / 10));
  }

  get(key) {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    if (node.uses < 3) node.uses++;
    return node.value;
  }

  set(key, value) {
    let node = this.#nodes.get(key);
    if (node?.queue === this.#ghosts) {
      this.#ghosts.remove(node);
      this.#makeRoom();
      this.#keep(node, value, this.#main);
    } else if (node) node.value = value;
    else {
      this.#makeRoom();
      node = { key, value: undefined, uses: 0, queue: undefined, older: undefined, newer: undefined };
      this.#nodes.set(key, node);
      this.#keep(node, value, this.#small);
    }
  }

  /** What was in the main queue returns to it. */
  delete(key) {
    const node = this.#nodes.get(key);
    if (node === undefined || node.queue === this.#ghosts) return;
    node.queue.remove(node);
    if (node.queue === this.#main) this.#remember(node);
    else this.#nodes.delete(key);
  }

  #remember(node) {
    node.value = undefined;
    this.#ghosts.add(node);
    if (this.#ghosts.size > this.#max - this.#smallMax) this.#nodes.delete(this.#ghosts.take().key);
  }

  #keep(node, value, queue) {
    node.value = value;
    node.uses = 0;
    queue.add(node);
  }

  #makeRoom() {
    while (this.#small.size + this.#main.size >= this.#max) {
      if (this.#small.size >= this.#smallMax) this.#evictSmall();
      else this.#evictMain();
    }
  }

  #evictSmall() {
    const node = this.#small.take();
    if (node.uses > 1) this.#keep(node, node.value, this.#main);
    else this.#remember(node);
  }

  #evictMain() {
    const node = this.#main.take();
    if (node.uses === 0) this.#nodes.delete(node.key);
    else {
      node.uses--;
      this.#main.add(node);
    }
  }
}
