/**
 * How bytes describe themselves. Plain JSON is stored as it is. Everything else is framed:
 *
 *     marker  layers  00  payload
 *
 * `marker` is C1 where the payload is bytes and C0 where it is UTF-8 text; neither ever occurs in UTF-8, so no JSON and
 * no other text begins with it. `layers` names what was done to the value, in order: a serializer, then perhaps a
 * compression, such as `v8` or `json+gzip`. An encrypted value is a frame of its own, `aes256gcm:` and the id of the key,
 * around everything that would have been stored without encryption.
 */
export const binaryMarker = 0xc1;
export const textMarker = 0xc0;

/** What the names of serializers and compressions may look like. */
export const layerName = /^[a-z0-9._-]{1,32}$/i;

export interface Frame {
  /** Whether the serializer produced text. */
  readonly text: boolean;
  readonly layers: string;
  readonly payload: Buffer;
}

export function isFramed(stored: Buffer): boolean {
  return stored[0] === binaryMarker || stored[0] === textMarker;
}

export function frame(layers: string, payload: string | Buffer, text = typeof payload === 'string'): Buffer {
  const header = Buffer.from(`?${layers}\0`, 'latin1');
  header[0] = text ? textMarker : binaryMarker;
  return Buffer.concat([header, typeof payload === 'string' ? Buffer.from(payload) : payload]);
}

/** The frame in these bytes, or `undefined` where the header is damaged. */
export function parseFrame(stored: Buffer): Frame | undefined {
  const end = stored.subarray(0, 2 + 2 * 33).indexOf(0);
  if (end < 2) return undefined;
  return {
    text: stored[0] === textMarker,
    layers: stored.toString('latin1', 1, end),
    payload: stored.subarray(end + 1),
  };
}

/** The layers as they can be shown: a damaged or foreign header may hold any byte. */
export function printable(layers: string): string {
  return layers.replace(/[^\x20-\x7e]/g, '?');
}
