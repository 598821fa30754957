/**
 * ONNX's file format (onnx.proto3, the messages that a graph of ours has): objects in, bytes out.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */
import { Root, type INamespace } from 'protobufjs';

/** The version of the standard operators: 17 has LayerNormalization; every onnxruntime since 1.12 reads it. */
export const OPSET = 17;

/** The version of the format that came with it. */
const IR_VERSION = 8;

export const elementTypes = { float32: 1, int32: 6, int64: 7, bool: 9 } as const;
export type ElementType = keyof typeof elementTypes;

/** A size, or the name of one that is known when the graph runs. */
export type Dimension = number | string;

export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
}

export interface OnnxTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** The numbers themselves, or their place in a file beside the graph. */
  readonly data: Uint8Array | { readonly file: string; readonly offset: number; readonly length: number };
}

/** Whole numbers are ints; other numbers and their lists are given as `{ float }`. */
export type Attribute = number | readonly number[] | string | Graph | { readonly float: number };

export interface OnnxNode {
  readonly name: string;
  readonly type: string;
  /** Names; '' where an optional input is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: readonly OnnxTensor[];
  readonly nodes: readonly OnnxNode[];
}

/** @param metadata shown by viewers */
export function encodeOnnx(graph: Graph, metadata: Readonly<Record<string, string>>): Uint8Array {
  return Model.encode({
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: OPSET }],
    producerName: 'padnet',
    graph: graphMessage(graph),
    metadataProps: entries(metadata),
  }).finish();
}

const attributeTypes = { float: 1, int: 2, string: 3, graph: 5, ints: 7 } as const;

function graphMessage({ name, inputs, outputs, initializers, nodes }: Graph): object {
  return {
    name,
    input: inputs.map(valueMessage),
    output: outputs.map(valueMessage),
    initializer: initializers.map(tensorMessage),
    node: nodes.map((node) => ({
      name: node.name,
      opType: node.type,
      input: node.inputs,
      output: node.outputs,
      attribute: Object.entries(node.attributes).map(([key, value]) => ({ name: key, ...attributeMessage(value) })),
    })),
  };
}

function attributeMessage(value: Attribute): object {
  if (typeof value === 'number') return { type: attributeTypes.int, i: value };
  if (typeof value === 'string') return { type: attributeTypes.string, s: Buffer.from(value) };
  if ('nodes' in value) return { type: attributeTypes.graph, g: graphMessage(value) };
  if ('float' in value) return { type: attributeTypes.float, f: value.float };
  return { type: attributeTypes.ints, ints: value };
}

function valueMessage({ name, type, shape }: ValueInfo): object {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: elementTypes[type], shape: { dim } } } };
}

function tensorMessage({ name, type, shape, data }: OnnxTensor): object {
  const message = { name, dataType: elementTypes[type], dims: shape };
  if (data instanceof Uint8Array) return { ...message, rawData: data };
  const { file, offset, length } = data;
  const externalData = entries({ location: file, offset: String(offset), length: String(length) });
  return { ...message, externalData, dataLocation: 1 };
}

function entries(values: Readonly<Record<string, string>>): object[] {
  return Object.entries(values).map(([key, value]) => ({ key, value }));
}

const one = (type: string, id: number) => ({ type, id });
const many = (type: string, id: number) => ({ rule: 'repeated', type, id }) as const;

const messages: INamespace = {
  nested: {
    ModelProto: {
      fields: {
        irVersion: one('int64', 1),
        producerName: one('string', 2),
        graph: one('GraphProto', 7),
        opsetImport: many('OperatorSetIdProto', 8),
        metadataProps: many('StringStringEntryProto', 14),
      },
    },
    OperatorSetIdProto: { fields: { domain: one('string', 1), version: one('int64', 2) } },
    StringStringEntryProto: { fields: { key: one('string', 1), value: one('string', 2) } },
    GraphProto: {
      fields: {
        node: many('NodeProto', 1),
        name: one('string', 2),
        initializer: many('TensorProto', 5),
        input: many('ValueInfoProto', 11),
        output: many('ValueInfoProto', 12),
      },
    },
    NodeProto: {
      fields: {
        input: many('string', 1),
        output: many('string', 2),
        name: one('string', 3),
        opType: one('string', 4),
        attribute: many('AttributeProto', 5),
      },
    },
    AttributeProto: {
      fields: {
        name: one('string', 1),
        f: one('float', 2),
        i: one('int64', 3),
        s: one('bytes', 4),
        g: one('GraphProto', 6),
        ints: many('int64', 8),
        type: one('int32', 20),
      },
    },
    TensorProto: {
      fields: {
        dims: many('int64', 1),
        dataType: one('int32', 2),
        name: one('string', 8),
        rawData: one('bytes', 9),
        externalData: many('StringStringEntryProto', 13),
        dataLocation: one('int32', 14),
      },
    },
    ValueInfoProto: { fields: { name: one('string', 1), type: one('TypeProto', 2) } },
    TypeProto: { fields: { tensorType: one('TensorType', 1) } },
    TensorType: { fields: { elemType: one('int32', 1), shape: one('TensorShapeProto', 2) } },
    TensorShapeProto: { fields: { dim: many('Dimension', 1) } },
    Dimension: { fields: { dimValue: one('int64', 1), dimParam: one('string', 2) } },
  },
};

const Model = Root.fromJSON(messages).lookupType('ModelProto');
