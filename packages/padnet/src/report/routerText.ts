/** Dead routers and unused experts, in words. */
import { layerLabel } from '../analysis/layerNames.js';
import type { DeadReason, RouterState } from '../analysis/routerStates.js';
import { formatPercent } from './format.js';

export const deadReasonTexts: Readonly<Record<DeadReason, string>> = {
  notFinite: 'not finite',
  oneKernel: 'one kernel',
  inactive: 'no hidden unit is ever active',
  saturated: 'coefficients are saturated',
  alike: 'coefficients differ by less than 0.1 %',
};

/** The same in a word or two. */
const shortReasons: typeof deadReasonTexts = {
  ...deadReasonTexts,
  inactive: 'inactive',
  saturated: 'saturated',
  alike: 'alike',
};

type State = Omit<RouterState, 'path'>;

/** Such as `12.3 %`, `dead: inactive`, `12.3 %, unused experts 3, 5`. */
export function routerStateText({ variation, dead, unusedExperts }: State): string {
  const state = dead === null ? formatPercent(variation) : `dead: ${shortReasons[dead]}`;
  return unusedExperts.length === 0 ? state : `${state}, ${unusedText(unusedExperts)}`;
}

export function unusedText(experts: readonly number[]): string {
  return `unused ${experts.length === 1 ? 'expert' : 'experts'} ${experts.join(', ')}`;
}

/**
 * Such as `2 of 11 routers are dead, so that every input gets the same kernel: no hidden unit is ever active
 * (layer1.0.conv1, layer2.0.conv1).`
 *
 * @returns empty where there are no routers
 */
export function routerSentences(routers: readonly RouterState[]): string[] {
  if (routers.length === 0) return [];
  const dead = routers.filter((router) => router.dead !== null);
  const reasons = [...new Set(dead.map((router) => router.dead!))].map((reason) => {
    const paths = dead.filter((router) => router.dead === reason).map(({ path }) => layerLabel(path));
    return `${deadReasonTexts[reason]} (${someOf(paths)})`;
  });
  const count = `${dead.length === 0 ? 'None' : dead.length} of ${routers.length}`;
  const why = dead.length === 0 ? '' : `, so that every input gets the same weights: ${reasons.join('; ')}`;
  const unused = routers.filter(({ unusedExperts }) => unusedExperts.length > 0);
  const experts = unused.reduce((sum, { unusedExperts }) => sum + unusedExperts.length, 0);
  const places = unused.map(({ path, unusedExperts }) => `${unusedExperts.join(', ')} of ${layerLabel(path)}`);
  return [
    `${count} ${routers.length === 1 ? 'router' : 'routers'} ${dead.length < 2 ? 'is' : 'are'} dead${why}.`,
    ...(experts === 0 ? [] : [`No token uses ${experts} of the experts (from 0): ${someOf(places, '; ')}.`]),
  ];
}

const most = 6;

function someOf(names: readonly string[], separator = ', '): string {
  if (names.length <= most) return names.join(separator);
  return `${names.slice(0, most - 1).join(separator)}${separator}${names.length - most + 1} more`;
}
