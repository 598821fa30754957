/** The part that is used of https://github.com/jstat/jstat, which brings no types. */
declare module 'jstat' {
  interface Distribution {
    /** The chance of a value of at most `x`. */
    cdf(x: number, freedom: number): number;
    /** The value that is not exceeded with a chance of `p`. */
    inv(p: number, freedom: number): number;
  }
  const jStat: { readonly studentt: Distribution; readonly chisquare: Distribution };
  export default jStat;
}
