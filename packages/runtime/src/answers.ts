/** What a network answers. */

export interface ClassProbability {
  readonly label: string;
  readonly probability: number;
}

/** How a dynamic layer mixed its kernels for one picture. */
export interface LayerCoefficients {
  /** Path of the layer in the network. */
  readonly layer: string;
  /** One a kernel, [K]. */
  readonly coefficients: readonly number[];
}

/** Which experts a mixture chose, for each token whoever decided: the token, the sentence or the task. */
export interface LayerExperts {
  /** Path of the layer in the network. */
  readonly layer: string;
  /** Of how many, from 0, they are. */
  readonly numExperts: number;
  /** The chosen experts, best first, [tokens][k]. */
  readonly experts: readonly (readonly number[])[];
  /** Their gates, [tokens][k]. */
  readonly gates: readonly (readonly number[])[];
}

export interface PictureAnswer {
  /** Likeliest first; of equally likely ones the first class first. */
  readonly classes: readonly ClassProbability[];
  /** Of the inference alone. */
  readonly milliseconds: number;
  /** In the order in which the layers ran; empty where it was not asked for, or no layer is dynamic. */
  readonly coefficients: readonly LayerCoefficients[];
}

export interface TextAnswer {
  /** Likeliest first; of equally likely ones the first class first. Empty where the network gives a score. */
  readonly classes: readonly ClassProbability[];
  /** null where the network chooses a class. */
  readonly score: number | null;
  /** Of the inference alone. */
  readonly milliseconds: number;
  /** As the tokenizer splits the text, special ones included. */
  readonly tokens: readonly string[];
  /** Whether tokens were left out of a text longer than what the network was trained on. */
  readonly truncated: boolean;
  /** In the order in which the layers ran; empty where it was not asked for, or there is no mixture. */
  readonly experts: readonly LayerExperts[];
}

/** Probabilities of logits, in double precision, likeliest first. */
export function rankedClasses(logits: readonly number[], labels: readonly string[]): ClassProbability[] {
  const highest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  const classes = labels.map((label, index) => ({ label, probability: powers[index]! / sum }));
  return classes.sort((a, b) => b.probability - a.probability);
}
