/** Conditions on weights that libtorch's recurrent layers and cells (`lstm`, `gruCell`, …) do not check. */
import { Tensor } from './tensor.js';

/** The fault of the arguments, by their names in the schema; null where there is none. */
export function recurrentProblem(values: Readonly<Record<string, unknown>>, operator: string): string | null {
  const gates = operator.includes('lstm') ? 4 : operator.includes('gru') ? 3 : 1;
  return operator.endsWith('_cell') ? cellProblem(values, gates) : layerProblem(values, gates);
}

function cellProblem({ input, hx, ...weights }: Readonly<Record<string, unknown>>, gates: number): string | null {
  const states: unknown[] = Array.isArray(hx) ? (hx as unknown[]) : [hx];
  const inputSize = sizes(input)[1];
  const hiddenSize = sizes(weights.w_hh)[1];
  const batch = sizes(input)[0];
  return (
    (Array.isArray(hx) && hx.length !== 2 ? `'hx' must be 2 tensors, got ${hx.length}` : null) ??
    expectShape('input', input, [batch, inputSize]) ??
    states.map((state) => expectShape('hx', state, [batch, hiddenSize])).find((problem) => problem !== null) ??
    expectShape('w_ih', weights.w_ih, [times(gates, hiddenSize), inputSize]) ??
    expectShape('w_hh', weights.w_hh, [times(gates, hiddenSize), hiddenSize]) ??
    [weights.b_ih, weights.b_hh]
      .map((bias) => (bias instanceof Tensor ? expectShape('bias', bias, [times(gates, hiddenSize)]) : null))
      .find((problem) => problem !== null) ??
    expectOneDtype([input, ...states, ...Object.values(weights)])
  );
}

function layerProblem(values: Readonly<Record<string, unknown>>, gates: number): string | null {
  const { input, data, hx, params, num_layers: numLayers, has_biases: hasBiases, bidirectional } = values;
  const states: unknown[] = Array.isArray(hx) ? (hx as unknown[]) : [hx];
  const weights: unknown[] = Array.isArray(params) ? (params as unknown[]) : [];
  // libtorch takes an LSTM whose two states differ in size for one with projections, with a weight more.
  const isProjected = states.length === 2 && sizes(states[0]).at(-1) !== sizes(states[1]).at(-1);
  const each = (hasBiases === true ? 4 : 2) + (isProjected ? 1 : 0);
  const directions = bidirectional === true ? 2 : 1;
  const count = Number(numLayers) * directions * each;
  if (!(count > 0) || weights.length !== count) return `'params' has ${weights.length} tensors, not ${count}`;
  const stateSize = sizes(weights[1])[1];
  const hiddenSize = isProjected ? sizes(states[1]).at(-1) : stateSize;
  const batch = data === undefined ? sizes(input)[values.batch_first === true ? 0 : 1] : undefined;
  let problem =
    data === undefined
      ? expectShape('input', input, [undefined, undefined, undefined])
      : (expectShape('data', data, [undefined, undefined]) ?? packedProblem(data, values.batch_sizes));
  for (const [index, state] of states.entries()) {
    problem ??= expectShape('hx', state, [count / each, batch, index === 1 ? hiddenSize : stateSize]);
  }
  if (Array.isArray(hx) && hx.length !== 2) problem ??= `'hx' must be 2 tensors, got ${hx.length}`;
  for (let first = 0; first < count; first += each) {
    const inputSize = first < each * directions ? sizes(data ?? input).at(-1) : times(directions, stateSize);
    const end = first + each - (isProjected ? 1 : 0);
    problem ??=
      expectShape(`params[${first}]`, weights[first], [times(gates, hiddenSize), inputSize]) ??
      expectShape(`params[${first + 1}]`, weights[first + 1], [times(gates, hiddenSize), stateSize]);
    for (let bias = first + 2; bias < end; bias++) {
      problem ??= expectShape(`params[${bias}]`, weights[bias], [times(gates, hiddenSize)]);
    }
    if (isProjected) problem ??= expectShape(`params[${end}]`, weights[end], [stateSize, hiddenSize]);
  }
  return problem ?? expectOneDtype([data ?? input, ...states, ...weights]);
}

/** `batchSizes` says how many sequences of the packed `data` are still running at each time. */
function packedProblem(data: unknown, batchSizes: unknown): string | null {
  if (!(batchSizes instanceof Tensor) || batchSizes.dtype !== 'int64' || batchSizes.dim !== 1) {
    return "'batch_sizes' must be an int64 tensor of one dimension";
  }
  const running = batchSizes.toArray();
  const total = running.reduce((sum, size) => sum + size, 0);
  const falling = running.every((size, time) => size > 0 && size <= (running[time - 1] ?? Infinity));
  return falling && total === sizes(data)[0]
    ? null
    : `'batch_sizes' must fall from one time to the next and sum to ${sizes(data)[0] ?? 0}`;
}

function sizes(value: unknown): readonly number[] {
  return value instanceof Tensor ? value.shape : [];
}

function times(gates: number, size: number | undefined): number | undefined {
  return size === undefined ? undefined : gates * size;
}

/** Undefined in `wanted` stands for any size. */
function expectShape(name: string, value: unknown, wanted: readonly (number | undefined)[]): string | null {
  const found = sizes(value);
  const fits = found.length === wanted.length && wanted.every((size, i) => size === undefined || size === found[i]);
  const text = wanted.map((size) => size ?? '…').join(', ');
  return fits ? null : `'${name}' has shape [${found.join(', ')}], expected [${text}]`;
}

function expectOneDtype(values: readonly unknown[]): string | null {
  const found = new Set(values.filter((value) => value instanceof Tensor).map((value) => value.dtype));
  return found.size > 1 ? `its tensors must have one dtype, found ${[...found].join(', ')}` : null;
}
