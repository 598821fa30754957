/** The part that is used of https://github.com/holepunchto/fs-native-extensions, which brings no types. */
declare module 'fs-native-extensions' {
  /**
   * A lock of the open file, exclusive unless it is shared, that ends with it.
   *
   * @returns false where another open file has one
   */
  export function tryLock(descriptor: number, options?: { readonly shared?: boolean }): boolean;
}
