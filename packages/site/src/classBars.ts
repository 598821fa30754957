/** The likeliest classes with a bar each. */
import type { ClassProbability } from '@padnet/runtime';
import { element } from './dom.js';
import { formatPercent } from './format.js';

/** How many are shown. */
const TOP = 5;

export function classBars(classes: readonly ClassProbability[]): HTMLElement {
  const rows = classes
    .slice(0, TOP)
    .map(({ label, probability }) =>
      element(
        'li',
        { '--share': probability, title: probability.toFixed(6) },
        element('span', { class: 'name' }, label),
        element('span', { class: 'value' }, formatPercent(probability)),
        element('span', { class: 'bar', 'aria-hidden': 'true' }),
      ),
    );
  return element('ol', { class: 'classes', role: 'list', 'aria-label': 'Likeliest classes' }, ...rows);
}
