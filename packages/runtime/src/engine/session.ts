/** A graph that runs: what the engine needs of onnxruntime. */
import type { InferenceSession, InferenceSessionFactory, TensorConstructor } from 'onnxruntime-common';
import { InputError } from '../errors.js';

/** Where a graph runs. */
export type Device = 'cpu' | 'wasm' | 'webgpu';

export interface Numbers {
  readonly data: Float32Array | BigInt64Array;
  readonly shape: readonly number[];
}

export interface Session {
  readonly device: Device;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Computes only the outputs that are named. */
  run(
    inputs: Readonly<Record<string, Numbers>>,
    outputs: readonly string[],
  ): Promise<Readonly<Record<string, Numbers>>>;
  release(): Promise<void>;
}

export interface GraphFiles {
  readonly graph: Uint8Array;
  /** What messages call it. */
  readonly path: string;
  readonly weights: { readonly file: string; readonly data: Uint8Array };
}

/** What onnxruntime-node and onnxruntime-web have in common. */
export interface OnnxRuntime {
  readonly InferenceSession: InferenceSessionFactory;
  readonly Tensor: TensorConstructor;
}

/** What onnxruntime would print comes as an error too. */
const ONLY_FATAL = 4;

/** @throws InputError where onnxruntime does not take the graph */
export async function openSession(
  { InferenceSession, Tensor }: OnnxRuntime,
  { graph, path, weights }: GraphFiles,
  device: Device,
  options: InferenceSession.SessionOptions,
): Promise<Session> {
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(graph, {
      ...options,
      executionProviders: [device],
      externalData: [{ path: weights.file, data: weights.data }],
      logSeverityLevel: ONLY_FATAL,
    });
  } catch (cause) {
    throw refusal(path, cause);
  }
  return {
    device,
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    run: async (inputs, outputs) => {
      const feeds = Object.entries(inputs).map(([name, { data, shape }]) => [
        name,
        data instanceof Float32Array ? new Tensor('float32', data, shape) : new Tensor('int64', data, shape),
      ]);
      const results = await session.run(Object.fromEntries(feeds) as InferenceSession.FeedsType, [...outputs]);
      return Object.fromEntries(
        outputs.map((name) => [name, { data: results[name]!.data as Numbers['data'], shape: results[name]!.dims }]),
      );
    },
    release: () => session.release(),
  };
}

function refusal(path: string, cause: unknown): InputError {
  const said = cause instanceof Error ? cause.message : String(cause);
  const problem = /bad_alloc|out of memory|allocation fail|could not allocate/i.test(said)
    ? 'there is not enough memory for it; free some, or take a smaller network'
    : 'it is damaged, or made for another version of onnxruntime; export the network again';
  return new InputError(`${path} cannot be run: ${problem}`, { cause });
}
