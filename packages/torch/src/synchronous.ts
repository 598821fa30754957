/**
 * Calls `body`, whose setting ends with the call.
 *
 * @param name of the function that was given `body`
 * @throws TypeError where it is async, so that most of it would run afterwards
 */
export function runSynchronous<T>(name: string, body: () => T): T {
  const result = body();
  if (result instanceof Promise) {
    result.catch(() => undefined);
    throw new TypeError(`${name}() was given an async function; use it between the awaits`);
  }
  return result;
}
