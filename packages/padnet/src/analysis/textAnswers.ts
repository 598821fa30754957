/** The answers of a trained network to texts: class or score, and which experts every token went to. */
import { noGrad, ops, scope } from '@padnet/torch';
import { type TextDataset, TextLoader, tokenise, type Truncation } from '../data/index.js';
import { MoELinear, type RoutingDecision } from '../layers/index.js';
import { textClassNames, type TextModel } from '../runs/index.js';
import { textInputs } from '../training/index.js';
import { InputError } from '../errors.js';

/** A sentence, or a pair. */
export interface Text {
  readonly first: string;
  readonly second: string | null;
}

/** The choice of one mixture of experts for each token of a text. */
export interface TokenExperts {
  /** Path of the layer. */
  readonly path: string;
  /** The chosen experts, from 0, best first: [tokens][k]. */
  readonly experts: readonly (readonly number[])[];
  /** Their gates, which sum to 1: [tokens][k]. */
  readonly gates: readonly (readonly number[])[];
}

export interface TextAnswer extends Text {
  /** As the tokenizer splits it, special ones included. */
  readonly tokens: readonly string[];
  /** The likeliest class; null where the network gives a score. */
  readonly label: string | null;
  /** The probability of each class, by name; null where the network gives a score. */
  readonly probabilities: Readonly<Record<string, number>> | null;
  /** null where the network gives a class. */
  readonly score: number | null;
  /** In the order in which they ran; none of a static network. */
  readonly experts: readonly TokenExperts[];
}

export interface AnswerOptions {
  /** Told once, where texts are longer than what the network was trained on. */
  readonly onTruncate?: ((truncation: Truncation) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const batchSize = 32;

/**
 * In the order of the texts; in evaluation mode.
 *
 * @throws InputError where the network's output is no number
 */
export async function* answerTexts(
  { network, tokenizer, description }: TextModel,
  texts: readonly Text[],
  { onTruncate, signal }: AnswerOptions = {},
): AsyncGenerator<TextAnswer, void, undefined> {
  if (texts.length === 0) return;
  const { maxLength } = description;
  const dataset = tokenise(textDataset(texts), tokenizer, { maxLength, onTruncate });
  const classNames = textClassNames({ network, description });
  const paths = new Map<object, string>();
  for (const [path, module] of network.namedModules()) if (module instanceof MoELinear) paths.set(module, path);
  network.eval();
  await using loader = new TextLoader({ dataset, batchSize });
  for await (const batch of loader.epoch(0)) {
    signal?.throwIfAborted();
    yield* scope(() =>
      noGrad(() => {
        const { logits, routing } = network.forward(textInputs(batch));
        const numLabels = network.config.labels.length;
        const outputs = (classNames ? ops.softmax(logits, 1) : logits).toArray();
        const layers = routing.map((decision) => ({ path: paths.get(decision.layer)!, ...chosenExperts(decision) }));
        let token = 0;
        return Array.from(batch.sampleIndices, (sample, row): TextAnswer => {
          const start = dataset.offsets[sample]!;
          const end = dataset.offsets[sample + 1]!;
          const from = token;
          token += end - start;
          const values = outputs.slice(row * numLabels, (row + 1) * numLabels);
          if (!values.every(Number.isFinite)) {
            throw new InputError(
              `the network's output for text ${sample + 1} is not a number: its weights are damaged, or training ` +
                'went wrong',
            );
          }
          return {
            ...texts[sample]!,
            ...verdict(values, classNames),
            tokens: tokenizer.tokens(Array.from(dataset.inputIds.subarray(start, end))),
            experts: layers.map(({ path, experts, gates }) => ({
              path,
              experts: experts.slice(from, token),
              gates: gates.slice(from, token),
            })),
          };
        });
      }),
    );
  }
}

function textDataset(texts: readonly Text[]): TextDataset {
  const isPair = texts.some(({ second }) => second !== null);
  return {
    name: 'input',
    length: texts.length,
    first: texts.map(({ first }) => first),
    second: isPair ? texts.map(({ second }) => second ?? '') : null,
    labels: null,
    classNames: null,
  };
}

function verdict(
  values: readonly number[],
  classNames: readonly string[] | null,
): Pick<TextAnswer, 'label' | 'probabilities' | 'score'> {
  if (!classNames) return { label: null, probabilities: null, score: values[0]! };
  return {
    label: classNames[values.indexOf(Math.max(...values))]!,
    probabilities: Object.fromEntries(classNames.map((name, index) => [name, values[index]!])),
    score: null,
  };
}

/** The experts of every real token of the batch, whoever decided for it: [tokens][k]. */
function chosenExperts({ experts, weights, rowOf }: RoutingDecision): { experts: number[][]; gates: number[][] } {
  const rows = (of: typeof experts): number[][] => {
    const ofTokens = rowOf ? of.indexSelect(0, rowOf) : of;
    const [numTokens = 0, k = 1] = ofTokens.shape;
    const values = ofTokens.toArray();
    return Array.from({ length: numTokens }, (_, token) => values.slice(token * k, (token + 1) * k));
  };
  return { experts: rows(experts), gates: rows(weights) };
}
