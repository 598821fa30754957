/** A recipe as a list of its settings. */

/** By key, such as `training.epochs`: text as it is, other values as JSON. @param recipe or sections of one */
export function recipeSettings(recipe: object): Map<string, string> {
  return new Map(flatten('', recipe));
}

function flatten(prefix: string, value: unknown): [key: string, value: string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return value === undefined ? [] : [[prefix, typeof value === 'string' ? value : JSON.stringify(value)]];
  }
  return Object.entries(value).flatMap(([key, inner]) => flatten(prefix === '' ? key : `${prefix}.${key}`, inner));
}
