/** `transformers/`: Hugging Face's own numbers for a padded batch, a folder for each text encoder. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ops, scope, tensor, type Tensor } from '@padnet/torch';
import { huggingFaceNames, loadPretrained } from 'padnet';
import { bounds, largestError, type Comparison, type Numbers } from './fixtures.js';

interface TransformerCase {
  readonly input_ids: readonly (readonly number[])[];
  readonly attention_mask: readonly (readonly number[])[];
  readonly token_type_ids: readonly (readonly number[])[];
  readonly labels: readonly number[];
  readonly logits: Numbers;
  readonly loss: number;
  readonly last_hidden_state: Numbers;
  readonly grad_norms: Readonly<Record<string, number>>;
}

/** Too large for this repository: `$FIXTURES`, or the shared copy beside it; null where there is neither. */
const shared = fileURLToPath(new URL('../../../../shared/fixtures', import.meta.url));
const candidate = join(process.env.FIXTURES ?? shared, 'transformers');
const folder = existsSync(candidate) ? candidate : null;

/** Whether there are numbers to compare with. */
export const hasTransformers = folder !== null;

export function verifyTransformers(): Comparison[] {
  if (folder === null) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => scope(() => verifyCase(name, join(folder, name))));
}

function verifyCase(name: string, model: string): Comparison[] {
  const oracle = JSON.parse(readFileSync(join(model, 'expected.json'), 'utf8')) as TransformerCase;
  const { network, missing } = loadPretrained(model);
  const compare = (quantity: string, error: number, bound: number = bounds.float32): Comparison => ({
    file: 'transformers',
    case: name,
    dtype: 'float32',
    quantity,
    error,
    bound,
  });
  const ids = (rows: readonly (readonly number[])[]): Tensor => tensor(rows, { dtype: 'int64' });
  network.eval();
  const { logits, lastHiddenState } = network.forward({
    inputIds: ids(oracle.input_ids),
    attentionMask: ids(oracle.attention_mask),
    tokenTypeIds: ids(oracle.token_type_ids),
  });
  const loss = ops.crossEntropyLoss(logits, tensor(oracle.labels, { dtype: 'int64' }));
  loss.backward();
  const parameters = new Map(network.namedParameters());
  const norms = new Map(
    Array.from(huggingFaceNames(network), ([ours, theirs]) => [theirs, parameters.get(ours)!.grad?.norm() ?? null]),
  );
  const number = (value: number): Numbers => ({ shape: [], data: [value] });
  return [
    compare('tensors missing', missing.length, 0),
    compare('logits', largestError(logits, oracle.logits)),
    compare('last_hidden_state', largestError(lastHiddenState, oracle.last_hidden_state)),
    compare('loss', largestError(loss, number(oracle.loss))),
    compare('tensors without a gradient', Math.abs(norms.size - Object.keys(oracle.grad_norms).length), 0),
    ...Object.entries(oracle.grad_norms).map(([parameter, norm]) =>
      compare(`‖∂${parameter}‖`, largestError(norms.get(parameter) ?? null, number(norm))),
    ),
  ];
}
