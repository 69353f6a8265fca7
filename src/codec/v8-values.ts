import { DefaultDeserializer } from 'node:v8';

/** The method that Node's own deserializer calls for each Buffer, typed array and DataView. */
interface ViewReader {
  _readHostObject(): NodeJS.ArrayBufferView;
}

/**
 * Like `deserialize` of `node:v8`, but every view has memory of its own. Node's share that of the bytes, and of its pool of small Buffers:
 * their `buffer` holds whatever else was read.
 */
export function deserialize(bytes: Buffer): unknown {
  const reader = new DefaultDeserializer(bytes);
  const { _readHostObject: readView } = reader as unknown as ViewReader;
  Object.assign(reader, { _readHostObject: () => withOwnMemory(readView.call(reader as unknown as ViewReader)) });
  reader.readHeader();
  return reader.readValue();
}

function withOwnMemory(view: NodeJS.ArrayBufferView): NodeJS.ArrayBufferView {
  const memory = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) as ArrayBuffer;
  if (Buffer.isBuffer(view)) return Buffer.from(memory);
  const View = view.constructor as new (memory: ArrayBuffer) => NodeJS.ArrayBufferView;
  return new View(memory);
}
