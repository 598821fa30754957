/**
 * Calls `body`, whose setting ends with the call.
 *
 * @param name of the function that was given `body`
 * @param advice what to do instead
 * @throws TypeError where it is async, so that most of it would run afterwards
 */
export function runSynchronous<T>(name: string, body: () => T, advice = 'use it between the awaits'): T {
  const result = body();
  if (result instanceof Promise) {
    result.catch(() => undefined);
    throw new TypeError(`${name}() was given an async function; ${advice}`);
  }
  return result;
}
