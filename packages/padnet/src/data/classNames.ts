import { existsSync } from 'node:fs';

import { InputError } from '../errors.js';
import { maxSettingsBytes, readRegularText } from '../readRegularFile.js';

/**
 * Names of classes, one a line; null where there is no such file.
 *
 * @throws InputError if a line is empty or repeats another
 */
export function readClassNames(file: string): readonly string[] | null {
  if (!existsSync(file)) return null;
  const names = readRegularText(file, { expected: 'names of classes', maxBytes: maxSettingsBytes })
    .trimEnd()
    .split(/\r?\n/)
    .map((name) => name.trim());
  names.forEach((name, label) => {
    if (name === '') throw new InputError(`${file}: line ${label + 1} is empty, expected the name of class ${label}`);
    const first = names.indexOf(name);
    if (first !== label) {
      throw new InputError(
        `${file}: line ${label + 1} repeats "${name}" of line ${first + 1}; give each class its own name`,
      );
    }
  });
  return names;
}
