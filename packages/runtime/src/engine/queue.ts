/** One job after the other: a session runs one input at a time, and the time of one is not that of two. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /** What the job gives. Where `signal` is aborted first its reason is thrown, and a job that waits does not start. */
  run<T>(signal: AbortSignal | undefined, job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      signal?.throwIfAborted();
      return job();
    });
    this.#last = result.catch(() => undefined);
    return signal ? abortable(result, signal) : result;
  }
}

/** Rejects with the signal's reason as soon as it is aborted. */
export async function abortable<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      // Who aborts says with what.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      reject(signal.reason);
    };
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    result.catch(() => undefined);
  }
}
