/** What a network reaches on test data. */

export interface Evaluation {
  /** What the task is scored by, such as `accuracy` or `matthews`. */
  readonly metric: string;
  /** The value of `metric`; a fraction, 1 is best. */
  readonly score: number;
  /** Every metric of the task by name, `metric` included. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Mean over the samples of the loss that is trained with, without label smoothing. */
  readonly loss: number;
  /** Of each sample, in the order of the data: a class, or a number in regression. */
  readonly predictions: Float32Array;
}
