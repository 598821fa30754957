/**
 * The whole command line, for people to repeat: quoted where a shell would take it apart. Of a rank of `padnet launch`
 * it is the one that starts all ranks.
 */
export function commandLine(parameters: readonly string[]): string {
  const launch = process.env.PADNET_LAUNCH;
  return ['padnet', ...(launch === undefined ? [] : [launch]), ...parameters.map(quoted)].join(' ');
}

/** A parameter as a shell takes it. */
function quoted(parameter: string): string {
  return /^[\w@%+=:,./-]+$/.test(parameter) ? parameter : `'${parameter.replaceAll("'", "'\\''")}'`;
}
