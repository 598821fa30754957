/** Which files a graph of ONNX wants to read. */

/** Numbers of the fields of onnx.proto that lead to tensors. */
const messages: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'entry' },
  entry: { 1: 'key', 2: 'value' },
};

/** Graphs within graphs, as far as they are followed. */
const MAX_DEPTH = 100;

/**
 * The `location` of every tensor that lies outside the graph, nested graphs included.
 *
 * @throws RangeError where the bytes are no graph
 */
export function externalLocations(model: Uint8Array): Set<string> {
  const found = new Set<string>();
  const visit = (bytes: Uint8Array, kind: string, depth: number): void => {
    if (depth > MAX_DEPTH) throw new RangeError('graphs are nested too deeply');
    const entry = { key: '', value: '' };
    for (const { field, contents } of fields(bytes)) {
      const inner = messages[kind]![field];
      if (inner === undefined || contents === null) continue;
      if (inner === 'key' || inner === 'value') entry[inner] = new TextDecoder().decode(contents);
      else visit(contents, inner, depth + 1);
    }
    if (kind === 'entry' && entry.key === 'location') found.add(entry.value);
  };
  visit(model, 'model', 0);
  return found;
}

/** The fields of a message of protobuf; `contents` of those that have a length. */
function* fields(bytes: Uint8Array): Generator<{ readonly field: number; readonly contents: Uint8Array | null }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || scale > 2 ** 63) throw new RangeError('it ends within a number');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const skip = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new RangeError('it ends within a field');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const type = tag % 8;
    if (type === 0) varint();
    else if (type === 1) skip(8);
    else if (type === 5) skip(4);
    else if (type !== 2) throw new RangeError(`fields of type ${type} are not known`);
    yield { field, contents: type === 2 ? skip(varint()) : null };
  }
}
