/** What is said of keys of an encoder's `config.json` that nothing is known of. */
export function unknownKeysText(pretrained: string, keys: readonly string[]): string {
  const [what, was] = keys.length === 1 ? ['the key', 'is not known and was'] : ['the keys', 'are not known and were'];
  return `config.json of ${pretrained}: ${what} ${keys.join(', ')} ${was} passed over`;
}
