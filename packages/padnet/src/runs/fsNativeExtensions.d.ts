/** What is used of https://github.com/holepunchto/fs-native-extensions, which brings no types. */
declare module 'fs-native-extensions' {
  /** An exclusive lock of the open file that ends with it. @returns false where another open file has one */
  export function tryLock(descriptor: number): boolean;
}
