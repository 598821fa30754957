/** Many command lines in one process, one after the other: what is refused at once needs no process of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface CommandResult {
  readonly command: string;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const driver = fileURLToPath(new URL('./manyCommands.js', import.meta.url));

/** @param limit on the sizes of files, in KiB: the system refuses to write on as on a full disk */
export function commandResults(
  cwd: string,
  commands: readonly (readonly string[])[],
  limit: number | 'unlimited' = 'unlimited',
): CommandResult[] {
  const { stdout, stderr } = spawnSync('bash', ['-c', `ulimit -f ${limit}; exec "$0" "$1"`, process.execPath, driver], {
    cwd,
    input: JSON.stringify(commands),
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const parts = (text: string): string[] => text.split('\x1e').slice(1);
  const [outputs, errors] = [parts(stdout), parts(stderr)];
  if (outputs.length !== commands.length) throw new Error(`after ${outputs.length} of ${commands.length}: ${stderr}`);
  return commands.map((parameters, index) => {
    const [text = '', code = ''] = outputs[index]!.split('\x1f');
    return { command: `padnet ${parameters.join(' ')}`, code: Number(code), stdout: text, stderr: errors[index]! };
  });
}
