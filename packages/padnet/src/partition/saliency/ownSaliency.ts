/** Scores by name, or of one's own from a file: `partition.saliency` of a recipe. See `examples/src/ownSaliency.ts`. */
import { InputError, reasonOf } from '../../errors.js';
import { isCodeReference, loadCode, type CodeOptions } from '../../ownCode/index.js';
import { checkScores } from './checkScores.js';
import { saliencies, type SaliencyName } from './saliencies.js';
import type { Saliency } from './saliency.js';

export interface OwnSaliency {
  readonly saliency: Saliency;
  /** The file, with the checksum of what was run. */
  readonly reference: string;
}

/**
 * The default export of a file, an object with `name` and `score`.
 *
 * @param reference path of the file, as in `partition.saliency`
 * @throws InputError where it may not be run, fails, or exports something else
 */
export function loadSaliency(reference: string, options: CodeOptions): OwnSaliency {
  const { exported, file, reference: pinned } = loadCode(reference, 'partition.saliency', options);
  const problem = saliencyProblem(exported);
  if (problem !== null) throw new InputError(`partition.saliency: ${file}: ${problem}`);
  const saliency = exported as Saliency;
  const { name, isSigned } = saliency;
  const ofUnits = saliency.ofUnits?.bind(saliency);
  return {
    reference: pinned,
    saliency: {
      name,
      ...(isSigned !== undefined && { isSigned }),
      ...(ofUnits && { ofUnits }),
      score: async (context) => {
        const score = `partition.saliency: ${file}: score`;
        let scores: unknown;
        try {
          scores = await saliency.score(context);
        } catch (error) {
          if (context.signal?.aborted) throw error;
          throw new InputError(`${score} failed: ${reasonOf(error)}`, { cause: error });
        }
        checkScores(scores, context.sources, score);
        return scores;
      },
    },
  };
}

/** @throws InputError as `loadSaliency` */
export function saliencyOf(name: string, options: CodeOptions): Saliency {
  return isCodeReference(name) ? loadSaliency(name, options).saliency : saliencies[name as SaliencyName];
}

/** The first thing by which an export is not a `Saliency`, in words; null where it is one. */
function saliencyProblem(exported: unknown): string | null {
  const expected = 'expected `export default { name, score }`, a score of entries';
  if (exported === undefined) return `${expected}; the default export is missing`;
  if (typeof exported !== 'object' || exported === null)
    return `${expected}; the default export is ${exported === null ? 'null' : `a ${typeof exported}`}`;
  const { name, score, isSigned, ofUnits } = exported as Partial<Record<keyof Saliency, unknown>>;
  if (typeof name !== 'string' || name === '')
    return `${expected}; name is ${typeof name === 'string' ? 'empty' : 'not a string'}`;
  if (name in saliencies) return `name: ${name} is a score of padnet's own; give it another`;
  if (typeof score !== 'function') return `${expected}; score is not a function`;
  if (isSigned !== undefined && typeof isSigned !== 'boolean')
    return `isSigned: expected true or false, got ${typeof isSigned}`;
  if (ofUnits !== undefined && typeof ofUnits !== 'function')
    return `ofUnits: expected a function, got ${typeof ofUnits}`;
  return null;
}
