/**
 * The command line in this process; one of its own, which loads everything anew, is for signals, pipes and exit codes.
 */
import { realpathSync } from 'node:fs';
import { run } from './main.js';
import { Terminal } from './terminal.js';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Keeps what is written. */
class KeptTerminal extends Terminal {
  stdout = '';
  stderr = '';

  override get isInteractive(): boolean {
    return false;
  }

  override print(text: string): void {
    this.stdout += `${text}\n`;
  }

  override progress(text: string): void {
    this.print(text);
  }

  override remark(text: string): void {
    this.stderr += `${text}\n`;
  }
}

const home = process.cwd();
let running = 0;

/** @param cwd the working folder while it runs; commands that run at once have the same one */
export async function runCommand(parameters: readonly string[], { cwd = home } = {}): Promise<CommandResult> {
  if (running === 0) process.chdir(cwd);
  else if (process.cwd() !== realpathSync(cwd)) throw new Error(`${process.cwd()} is the working folder, not ${cwd}`);
  running += 1;
  try {
    const terminal = new KeptTerminal(parameters);
    const code = await run(parameters, terminal);
    return { code, stdout: terminal.stdout, stderr: terminal.stderr };
  } finally {
    running -= 1;
    if (running === 0) process.chdir(home);
  }
}
