/**
 * The command line `padnet`. Exit codes: 0, 1 (failed), 2 (bad usage), 130, 143 or 129 where Ctrl-C, SIGTERM or the end of the
 * terminal stopped it, and 141 where the reader of its output had enough.
 * Commands load the library only when they run: help is quick, and `doctor` works where libtorch is missing.
 */
import { closeSync, readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { explained } from '../errors.js';
import { printable } from '../printable.js';
import { registerAblate } from './ablate.js';
import { registerBench } from './bench.js';
import { registerCompare } from './compare.js';
import { registerConvert } from './convert.js';
import { registerDoctor } from './doctor.js';
import { registerEval } from './eval.js';
import { registerGlue } from './glue.js';
import { registerInspect } from './inspect.js';
import { isAbort } from './interruption.js';
import { registerMask } from './mask.js';
import { registerModels } from './models.js';
import { registerPartition } from './partition.js';
import { registerPredict } from './predict.js';
import { READER_GONE, ReaderGoneError, Terminal } from './terminal.js';
import { registerTrain } from './train.js';
import { UsageError } from './usageError.js';

/** The program: reads the process's command line and sets its exit code. */
export async function main(): Promise<void> {
  leaveTerminalsThatAreGone();
  process.stderr.on('error', () => undefined); // Node's own warnings
  process.exitCode = await run(process.argv.slice(2));
}

/** Node aborts at its end where it can not set a terminal back that has been closed meanwhile (`node::ResetStdio`). */
function leaveTerminalsThatAreGone(): void {
  const terminals = [0, 1, 2].filter(isatty);
  process.on('exit', () => {
    for (const descriptor of terminals) if (!isatty(descriptor)) closeSync(descriptor);
  });
}

/** @param parameters without `node` and the program. @returns the exit code */
export async function run(parameters: readonly string[], terminal = new Terminal(parameters)): Promise<number> {
  const program = createProgram(terminal);
  try {
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

function createProgram(terminal: Terminal): Command {
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
  const commands = [
    registerTrain,
    registerGlue,
    registerAblate,
    registerPartition,
    registerEval,
    registerPredict,
    registerInspect,
    registerConvert,
    registerCompare,
    registerMask,
    registerModels,
    registerBench,
    registerDoctor,
  ];
  for (const register of commands) register(program, terminal);
  program.hook('preAction', (_, command) => {
    checkGiven(command);
  });
  program.addHelpText('after', '\nStart with `padnet doctor`, then `padnet train recipes/fashion-mnist/static.yaml`.');
  return program;
}

/** An empty path would be the working folder. @throws UsageError where a parameter is empty that is no sentence */
function checkGiven(command: Command): void {
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
  const shown = explained(error);
  const message = shown instanceof Error ? shown.message : String(shown);
  for (const line of message.trim().split('\n')) terminal.remark(`padnet: ${printable(line)}`);
  if (process.env.PADNET_DEBUG === '1' && error instanceof Error) terminal.remark(withCauses(error));
}

function withCauses(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\ncaused by ${withCauses(error.cause)}` : stack;
}

/** Also a recipe that only `--set` and other options are wrong about. */
function isBadUsage(error: unknown): boolean {
  if (error instanceof UsageError) return true;
  if (!(error instanceof Error && 'problems' in error && Array.isArray(error.problems))) return false;
  return error.problems.every((problem: { line: number | null }) => problem.line === null);
}
