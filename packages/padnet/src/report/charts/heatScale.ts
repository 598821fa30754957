/** From a coefficient to how much of a run's colour its cell gets. Equal colours are equal coefficients within a section. */

/** Opacity of the largest value: not all of the colour, so that text on it reads at 4 : 1 or better, in light and dark. */
export const fullColour = 0.85;

/** Above this opacity the ground is bright enough, in dark, to need dark text. */
export const inkChanges = 0.6;

/** @param most the largest value of the section */
export function heatOpacity(value: number, most: number): number {
  return most > 0 ? (fullColour * value) / most : 0;
}
