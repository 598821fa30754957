/** Objects that stand for something of libtorch: a copy of their properties would be an object that nothing can use. */

/**
 * A property with this value keeps `structuredClone` and `postMessage` from making such a copy: they can't clone a
 * symbol, and say so with its text.
 */
export const uncloneable = Symbol(
  'a tensor or generator of libtorch: copy a tensor by clone(), a network by stateDict(), and send toTypedArray() to ' +
    'another thread',
);
