/** The command line of this process, for people to repeat: quoted where a shell would take it apart. */
export function commandLine({ without }: { readonly without?: string } = {}): string {
  return ['padnet', ...process.argv.slice(2).filter((parameter) => parameter !== without)].map(quoted).join(' ');
}

/** A parameter as a shell takes it. */
export function quoted(parameter: string): string {
  return /^[\w@%+=:,./-]+$/.test(parameter) ? parameter : `'${parameter.replaceAll("'", "'\\''")}'`;
}
