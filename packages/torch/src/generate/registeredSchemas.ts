/** The schemas that this libtorch has registered, bound, and sorted out into those that get a function and the rest. */
import { native } from '../native.js';
import { unsafeReason } from './unsafeOperators.js';
import { parseName, skipReason, type Schema, type Skipped } from './operatorTypes.js';

/** Operators of the addon itself, which are typed by hand (`nativeOperators.ts`). */
const ownNamespace = 'padnet_torch';

/** @param wanted whether the operators of a namespace are; by default all but the addon's own are */
export function registeredSchemas(wanted = (namespace: string): boolean => namespace !== ownNamespace): {
  schemas: Schema[];
  skipped: Skipped[];
} {
  const schemas: Schema[] = [];
  const skipped: Skipped[] = [];
  for (const printed of native.schemas().sort()) {
    const { namespace, name, overload } = parseName(printed);
    if (!wanted(namespace)) continue;
    const operator = native.bind(`${namespace}::${name}`, overload);
    if (operator === null) continue;
    const reason = unsafeReason(`${namespace}::${name}`) ?? skipReason(operator);
    if (reason === null) schemas.push({ namespace, name, overload, operator });
    else skipped.push({ schema: printed, reason });
  }
  return { schemas, skipped };
}
