/** `@padnet/torch/generate`: typed functions for the operators of a library, from the schemas that it registers. */
import { registeredSchemas } from './registeredSchemas.js';
import { writeLibrary } from './operatorTypes.js';

/**
 * The text of a TypeScript file that exports every operator of `namespace` as a function, named and called as those of
 * `ops`. The library is to be loaded (`loadLibrary`).
 *
 * @param command what writes the file, for its first line
 * @throws Error where an operator has a type that JavaScript has no value for
 */
export function libraryOperators(namespace: string, command: string): string {
  const { schemas, skipped } = registeredSchemas((name) => name === namespace);
  const [first] = skipped;
  if (first) throw new Error(`no function can be written for ${first.schema}: ${first.reason}`);
  return writeLibrary(schemas, command);
}
