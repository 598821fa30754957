/** Settings of runs that differ besides what the runs compare. */
import { recipeSettings } from '../recipe/recipeSettings.js';
import { unknown } from './format.js';
import type { RunSummary } from '../analysis/runSummary.js';
import { shortPaths } from './shortPaths.js';

/** Settings that say how a run is made, not what is compared. */
const notCompared = [
  /^model\.(layer|scaleMode)$/,
  /^partition\./,
  /^training\.(bankFactor|checkpointSteps|temperature\..*)$/,
  /^data\.numWorkers$/,
];

/** Settings that mean nothing to a static network. */
const ofDynamicLayers = new RegExp(
  '^(training\\.routerFactor|model\\.(convolution|router|routerWidth|routerStart|numKernels|bankInitialisation' +
    '|numExperts|k|position|routing|layers|noise|auxiliaryWeight))$',
);

/**
 * Such as `training.epochs 10, 10, 5` (by run).
 *
 * @param tuned keys that each run has its own value of by choice, which is told elsewhere
 */
export function settingDifferences(
  runs: readonly Pick<RunSummary, 'recipe' | 'layer'>[],
  tuned: readonly string[] = [],
): string[] {
  const settings = runs.map(({ recipe, layer }) => {
    const all = recipe ? [...recipeSettings(recipe)] : [];
    return new Map(all.filter(([key]) => layer !== 'static' || !ofDynamicLayers.test(key)));
  });
  const keys = new Set(settings.flatMap((each) => [...each.keys()]));
  return [...keys]
    .filter((key) => !tuned.includes(key) && !notCompared.some((pattern) => pattern.test(key)))
    .filter((key) => {
      const concerned = settings.filter(
        (_, run) => runs[run]!.recipe !== null && (!ofDynamicLayers.test(key) || runs[run]!.layer !== 'static'),
      );
      return new Set(concerned.map((each) => each.get(key) ?? unknown)).size > 1;
    })
    .map((key) => `${key} ${shortPaths(settings.map((each) => each.get(key) ?? unknown)).join(', ')}`);
}
