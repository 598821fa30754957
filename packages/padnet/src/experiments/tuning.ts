/** What each network of an ablation chooses of the values that were tried with it, by its validation scores. */
import { InputError } from '../errors.js';
import { mean } from '../statistics.js';
import {
  type AblationPlan,
  type AblationResults,
  type AblationVariant,
  type PlannedTry,
  triesByName,
} from './ablationPlan.js';

export interface TriedValues {
  /** One for each key that is tuned, as text. */
  readonly values: readonly string[];
  /** The name of the recipe. */
  readonly variant: string;
  /** The validation scores of the seeds that have finished, fractions. */
  readonly scores: readonly { readonly seed: number; readonly score: number }[];
  /** Their mean, once all seeds have finished. */
  readonly score: number | null;
  /** Why training could not go on, where a number was not finite: worse than any score. */
  readonly diverged: string | null;
}

export interface TunedNetwork {
  /** Name of the variant. */
  readonly variant: string;
  readonly tries: readonly TriedValues[];
  /** `open`: tries are missing; `failed`: all have diverged. */
  readonly state: 'open' | 'chosen' | 'failed';
  /** The values with the best validation score, the first of equal ones. */
  readonly chosen: TriedValues | null;
}

/** Null where nothing is tuned. @throws InputError where a run has no validation score */
export function tunedNetworks({ plan, runs, diverged }: AblationResults): readonly TunedNetwork[] | null {
  if (plan.tuning === null) return null;
  const { seeds, networks } = plan.tuning;
  const tried = ({ name, values }: PlannedTry): TriedValues => {
    const own = runs.filter((run) => run.variant === name && seeds.includes(run.seed));
    const scores = own.map(({ seed, run, validationScore }) => {
      if (validationScore !== null) return { seed, score: validationScore };
      throw new InputError(`${run} has no validation score; delete the folder, and it is trained anew`);
    });
    const message = diverged.find((each) => each.variant === name)?.message ?? null;
    const isWhole = message === null && scores.length === seeds.length;
    return {
      values,
      variant: name,
      scores,
      score: isWhole ? mean(scores.map(({ score }) => score)) : null,
      diverged: message,
    };
  };
  return networks.map(({ variant, tries: planned }) => {
    const tries = planned.map(tried);
    if (tries.some(({ score, diverged: message }) => score === null && message === null))
      return { variant, tries, state: 'open', chosen: null };
    const whole = tries.filter((each) => each.score !== null);
    const best = Math.max(...whole.map(({ score }) => score!));
    const chosen = whole.find(({ score }) => score === best) ?? null;
    return { variant, tries, state: chosen ? 'chosen' : 'failed', chosen };
  });
}

/** The recipes to train with all seeds, by the name of their variant. */
export function chosenRecipes(plan: AblationPlan, networks: readonly TunedNetwork[]): Map<string, AblationVariant> {
  if (plan.tuning === null) return new Map();
  const tries = triesByName(plan.tuning);
  return new Map(
    networks.flatMap(({ variant, chosen }) => (chosen ? [[variant, tries.get(chosen.variant)!] as const] : [])),
  );
}
