/** How dynamic layers mixed their kernels: a row for each; the fuller a cell's colour, the larger its number. */
import type { LayerCoefficients } from '@padnet/runtime';
import { element } from './dom.js';

export class CoefficientTable {
  readonly element = element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Coefficients' });
  #cells: HTMLTableCellElement[][] = [];

  update(layers: readonly LayerCoefficients[]): void {
    const fits =
      layers.length === this.#cells.length &&
      layers.every(({ coefficients }, row) => coefficients.length === this.#cells[row]!.length);
    if (!fits) this.#build(layers);
    const most = Math.max(...layers.flatMap(({ coefficients }) => coefficients));
    for (const [row, { layer, coefficients }] of layers.entries())
      for (const [kernel, value] of coefficients.entries()) {
        const cell = this.#cells[row]![kernel]!;
        cell.textContent = value.toFixed(2).replace(/^0/, '');
        cell.title = `${layer}, kernel ${kernel + 1}: ${value.toFixed(4)}`;
        cell.style.setProperty('--value', String(most > 0 ? Math.max(0, value / most) : 0));
      }
  }

  #build(layers: readonly LayerCoefficients[]): void {
    this.#cells = layers.map(({ coefficients }) => coefficients.map(() => element('td')));
    const numKernels = Math.max(0, ...layers.map(({ coefficients }) => coefficients.length));
    const kernels = Array.from({ length: numKernels }, (_, kernel) =>
      element('th', { scope: 'col', 'aria-label': `kernel ${kernel + 1}` }, String(kernel + 1)),
    );
    const rows = layers.map(({ layer }, row) =>
      element('tr', {}, element('th', { scope: 'row' }, layer), ...this.#cells[row]!),
    );
    const corner = element('th', { scope: 'col' }, 'layer');
    const table = element(
      'table',
      { class: 'coefficients' },
      element('caption', {}, 'How each layer mixes its kernels for this picture'),
      element('thead', {}, element('tr', {}, corner, ...kernels)),
      element('tbody', {}, ...rows),
    );
    this.element.replaceChildren(table);
  }
}
