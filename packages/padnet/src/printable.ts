/** Names from files and tables as a terminal may have them. */

/** What would move the cursor, or end a line, is shown as a code. */
export function printable(name: string): string {
  return name.replaceAll(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
