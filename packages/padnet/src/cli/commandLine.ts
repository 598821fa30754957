/** The whole command line, for people to repeat: quoted where a shell would take it apart. */
export function commandLine(parameters: readonly string[]): string {
  return ['padnet', ...parameters].map(quoted).join(' ');
}

/** A parameter as a shell takes it. */
export function quoted(parameter: string): string {
  return /^[\w@%+=:,./-]+$/.test(parameter) ? parameter : `'${parameter.replaceAll("'", "'\\''")}'`;
}
