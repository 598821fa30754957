/**
 * The command line `padnet`. Exit codes: 0, 1 (failed), 2 (bad usage), 130, 143 or 129 where Ctrl-C, SIGTERM or the
 * end of the terminal stopped it, and 141 where the reader of its output had enough.
 */
import { closeSync, readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { Command, CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { rankEnvironment } from '@padnet/torch/distributed/environment';
import { explained, RecipeError } from '../errors.js';
import { printable } from '../printable.js';
import { isAbort } from './interruption.js';
import { READER_GONE, ReaderGoneError, Terminal } from './terminal.js';
import { UsageError } from './usage.js';

interface CommandModule {
  readonly register: (command: Command, terminal: Terminal) => void;
}

/** `writes`: it writes files and knows nothing of ranks, each of which would write the same. */
type CommandEntry = readonly [description: string, load: () => Promise<CommandModule>, writes?: 'writes'];

/** By name, in the order of the help. What a command does is loaded only when its name is given: help is quick. */
const commands: Readonly<Record<string, CommandEntry>> = {
  train: ['Train a network as a recipe says; the results are a folder, the run.', () => import('./train.js')],
  launch: ['Train in several processes on this machine, the ranks.', () => import('./launch.js')],
  glue: ["Fill GLUE's table: train every task with every network and seed.", () => import('./glue.js'), 'writes'],
  ablate: ['Vary keys of a recipe over seeds: tables and a page with plots.', () => import('./ablate.js'), 'writes'],
  partition: ['Find masks for a network by Iterative Mode Partition.', () => import('./partition.js'), 'writes'],
  eval: ["Evaluate a run's network on its test data, or on others.", () => import('./eval.js'), 'writes'],
  predict: ["Say what a run's network takes pictures or sentences for.", () => import('./predict.js')],
  inspect: ['Print a network layer by layer, or the tensors of a file.', () => import('./inspect.js')],
  convert: [
    'Make a trained network dynamic, partial or static, and say what that costs.',
    () => import('./convert.js'),
    'writes',
  ],
  compact: ['Write a trained network as one file of the numbers it needs.', () => import('./compact.js'), 'writes'],
  export: ['Write networks that answer in Node and in browsers, or a web page.', () => import('./export.js'), 'writes'],
  compare: ['Compare runs: a table here, and a self-contained HTML report.', () => import('./compare.js'), 'writes'],
  mask: ['Show masks, or compare those of two partitions.', () => import('./mask.js')],
  models: ['List the networks for pictures: stored numbers and MACs of each form.', () => import('./models.js')],
  calibrate: [
    'Measure how plans are best chosen on this machine: 15 minutes.',
    () => import('./calibrate.js'),
    'writes',
  ],
  doctor: ['Check this machine, and say how to mend what is wrong.', () => import('./doctor.js')],
  setup: ['Install what is missing to train: libtorch. It asks first.', () => import('./setup.js')],
};

/** The program: reads the process's command line and sets its exit code. */
export async function main(): Promise<void> {
  leaveTerminalsThatAreGone();
  process.stderr.on('error', () => undefined); // Node's own warnings
  process.exitCode = await run(process.argv.slice(2));
}

/** Node aborts at its end where it cannot set a terminal back that has been closed meanwhile (`node::ResetStdio`). */
function leaveTerminalsThatAreGone(): void {
  const terminals = [0, 1, 2].filter(isatty);
  process.on('exit', () => {
    for (const descriptor of terminals) if (!isatty(descriptor)) closeSync(descriptor);
  });
}

/** @param parameters without `node` and the program. @returns the exit code */
export async function run(parameters: readonly string[], terminal = new Terminal(parameters)): Promise<number> {
  try {
    const program = await createProgram(terminal);
    await program.parseAsync(parameters, { from: 'user' });
    return terminal.exitCode;
  } catch (error) {
    if (error instanceof ReaderGoneError || isAbort(error, terminal.closed)) return READER_GONE;
    if (error instanceof CommanderError) {
      // Help that was asked for has the code 0; the rest is bad usage, and has been reported.
      return error.exitCode === 0 ? 0 : 2;
    }
    report(error, terminal);
    return isBadUsage(error) ? 2 : 1;
  }
}

async function createProgram(terminal: Terminal): Promise<Command> {
  const { parameters } = terminal;
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('padnet')
    .description('Trains, partitions and compares static, dynamic and partially dynamic networks (PAD-Net).')
    .version(version)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => {
        terminal.print(text.trimEnd());
      },
      writeErr: (text) => {
        terminal.remark(text.trimEnd());
      },
      outputError: (text, write) => {
        write(`padnet: ${commanderMessage(text)}`);
      },
    });
  const named = namesBeforeDashes(parameters);
  for (const [name, [description, load, writes]] of Object.entries(commands)) {
    const command = program.command(name).description(description);
    if (named.includes(name)) (await load()).register(command, terminal);
    if (writes) command.hook('preAction', checkOneProcess);
  }
  program.hook('preAction', (_, command) => {
    checkGiven(command);
  });
  program.addHelpText('after', '\nStart with `padnet doctor`, then `padnet train recipes/fashion-mnist/static.yaml`.');
  return program;
}

/** What follows `launch … --` is read by the processes that it starts. */
function namesBeforeDashes(parameters: readonly string[]): readonly string[] {
  const dashes = parameters.indexOf('--');
  return parameters[0] === 'launch' && dashes !== -1 ? parameters.slice(0, dashes) : parameters;
}

/** @throws UsageError where this is one of several ranks */
function checkOneProcess(command: CommandUnknownOpts): void {
  const ranks = rankEnvironment();
  if (ranks === null) return;
  throw new UsageError(
    `${command.name()} is for one process, and this is rank ${ranks.rank} of ${ranks.size}: each would write the ` +
      'same files; start it without torchrun, srun or `padnet launch`',
  );
}

/** An empty path would be the working folder. @throws UsageError where a parameter is empty that is no sentence */
function checkGiven(command: CommandUnknownOpts): void {
  for (const [index, argument] of command.registeredArguments.entries()) {
    const isEmpty = [command.processedArgs[index]].flat().includes('');
    if (isEmpty && !['sentence', 'second'].includes(argument.name()))
      throw new UsageError(`<${argument.name()}>: expected a value, got nothing`);
  }
  for (const option of command.options) {
    if (command.getOptionValue(option.attributeName()) === '')
      throw new UsageError(`${option.flags}: expected a value, got nothing`);
  }
}

/** `error: unknown option '--sed'\n(Did you mean --seed?)` → `unknown option '--sed'; did you mean --seed?` */
function commanderMessage(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replace(/\s*\n\(Did you mean (.*)\?\)$/, '; did you mean $1?')
    .replaceAll('\n', ' ');
}

/** One line a problem; the stack only with PADNET_DEBUG=1. */
function report(error: unknown, terminal: Terminal): void {
  const shown = explained(error instanceof Error && 'suppressed' in error ? error.suppressed : error);
  const message = shown instanceof Error ? shown.message : String(shown);
  for (const line of message.trim().split('\n')) terminal.warn(printable(line));
  if (process.env.PADNET_DEBUG === '1' && error instanceof Error) terminal.remark(withCauses(error));
}

function withCauses(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\ncaused by ${withCauses(error.cause)}` : stack;
}

/** Also a recipe that only `--set` and other options are wrong about. */
function isBadUsage(error: unknown): boolean {
  if (error instanceof RecipeError) return error.problems.every(({ line }) => line === null);
  return error instanceof UsageError;
}
