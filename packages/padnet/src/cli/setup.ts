/** `padnet setup`: a libtorch that fits, where there is none; it asks before it installs. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Option } from '@commander-js/extra-typings';
import { builds, type Choice, type Nothing, nothingFits, resolveLibtorch } from '@padnet/torch/libtorch';
import { InputError } from '../errors.js';
import { libtorchWays, type System, type Way, wayNames } from './libtorchWays.js';
import { type Command, oneOf, type OptionsOf, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

const define = (command: Command) =>
  withExamples(command, 'setup', 'setup --with pip --yes')
    .option('--yes', 'install without asking')
    .addOption(
      new Option('--with <way>', `one of ${wayNames.join(', ')} (default: the first that can be done)`).argParser(
        oneOf(wayNames),
      ),
    );

export function register(command: Command, terminal: Terminal): void {
  define(command).action(async (options) => {
    await setup(options, terminal);
  });
}

async function setup({ yes, with: wanted }: OptionsOf<typeof define>, terminal: Terminal): Promise<void> {
  const found = workingLibtorch();
  if (!('tried' in found)) {
    terminal.print(`nothing to do: ${described(found)}`);
    return;
  }
  terminal.print('no libtorch was found that fits:');
  for (const sentence of found.tried) terminal.print(`  ${sentence}`);
  // What else would be installed is not looked at while LIBTORCH is set.
  const isGiven = (process.env.LIBTORCH ?? '').trim() !== '';
  const ways = libtorchWays(found, thisSystem()).filter(({ name }) => name === 'compile' || !isGiven);
  const way = ways.find(({ name }) => wanted === undefined || name === wanted);
  if (!way) throw new InputError(isGiven ? givenAlone : noWay(wanted, ways));
  terminal.print(`\npadnet setup --with ${way.name} ${way.does}:`);
  for (const command of way.commands) terminal.print(`  ${command.map(quoted).join(' ')}`);
  const others = ways.filter((other) => other !== way);
  for (const { name, does } of others) terminal.print(`or padnet setup --with ${name} ${does}`);
  if (yes === undefined && !(await agreed())) {
    terminal.print('\nnothing was installed; `padnet setup --yes` does not ask');
    terminal.exitCode = 1;
    return;
  }
  runAll(way);
  const now = workingLibtorch();
  if ('tried' in now) throw new InputError(nothingFits(now));
  terminal.print(`ready: ${described(now)}`);
}

/** What is loaded, or why nothing is; by a process of its own, since what is loaded once stays. */
function workingLibtorch(): Choice | Nothing {
  const found = resolveLibtorch();
  if ('tried' in found) return found;
  const program = `import { libtorchVersion } from ${JSON.stringify(import.meta.resolve('@padnet/torch'))};
    try { libtorchVersion(); } catch (error) { console.log(error.message); }`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  const problem = status === 0 ? stdout.trim() : 'the process that loaded it ended';
  if (problem === '') return found;
  const usable = builds().filter((build) => typeof build !== 'string');
  return { tried: [`${problem} (${found.libtorch.file})`], libtorches: [], builds: usable };
}

function described({ libtorch, place, build }: Choice): string {
  return `libtorch ${libtorch.version} in ${libtorch.file} (${place}); build for ${build.version}: ${build.origin}`;
}

const givenAlone =
  'nothing can be compiled for this LIBTORCH from here: a C++ compiler, CMake and its headers (include/torch) are ' +
  'needed; set it to another libtorch, or unset it and run `padnet setup` again';

function noWay(wanted: string | undefined, ways: readonly Way[]): string {
  if (wanted !== undefined) {
    const possible =
      ways.length === 0 ? 'no other way can be gone' : `possible: ${ways.map(({ name }) => name).join(', ')}`;
    return `--with ${wanted} cannot be done on this machine; ${possible}`;
  }
  return (
    'nothing can be installed from here: install a libtorch by hand and set LIBTORCH to it, or first Python with ' +
    'venv (Debian: python3-venv), or a C++ compiler and CMake'
  );
}

/** @throws InputError where a command fails, which has said why itself */
function runAll({ commands }: Way): void {
  for (const [program, ...parameters] of commands) {
    const { status, error } = spawnSync(program!, parameters, { stdio: 'inherit' });
    if (status === 0 && !error) continue;
    throw new InputError(`${[program!, ...parameters].map(quoted).join(' ')} failed, so nothing is ready; see above`);
  }
}

async function agreed(): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const questions = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await questions.question('\nrun these commands? [y/N] ')).trim());
  } finally {
    questions.close();
  }
}

function quoted(word: string): string {
  return /^[\w./:=+@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function thisSystem(): System {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const has = (program: string): boolean =>
    (process.env.PATH ?? '').split(delimiter).some((folder) => isProgram(join(folder, program)));
  const canMakeEnvironments = (): boolean =>
    spawnSync('python3', ['-c', 'import venv, ensurepip'], { stdio: 'ignore' }).status === 0;
  return {
    codename: /^VERSION_CODENAME=["']?(\w+)/m.exec(release)?.[1] ?? null,
    isRoot: process.getuid?.() === 0,
    has,
    python: canMakeEnvironments() ? 'python3' : null,
  };
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
