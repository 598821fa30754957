/** Names from files and tables as a terminal may have them. */

/** A text for a terminal: characters that would move the cursor, or end a line, are shown as codes. */
export function printable(name: string): string {
  return name.replaceAll(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
