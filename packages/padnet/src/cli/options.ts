/** Values of options, checked while the command line is read. Commander puts the option's name before the message. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { closest } from 'fastest-levenshtein';
import { modelSchema } from '../models/index.js';
import { parseSection } from '../recipe/index.js';

/** `--set a=1 --set b=2` → ['a=1', 'b=2'] */
export function collected(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** A whole number of at least `minimum`. */
export function wholeNumber(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= minimum) return value;
    throw new InvalidArgumentError(`Expected a whole number of at least ${minimum}.`);
  };
}

/** A number from 0 to 1. */
export function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 1.');
}

/** A number of at least 0. */
export function nonNegativeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Expected a number of at least 0.');
}

/** A number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Expected a number above 0.');
}

/** One of `known`, or several with commas between. */
export function listOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  const one = oneOf(known);
  return (text) => text.split(',').map((name) => one(name.trim()));
}

/** Whole numbers of at least `minimum` with commas between, each once. */
export function listOfNumbers(minimum: number): (text: string) => number[] {
  const one = wholeNumber(minimum);
  return (text) => [...new Set(text.split(',').map((number) => one(number.trim())))];
}

export function oneOf<T extends string>(known: readonly T[]): (text: string) => T {
  return (text) => {
    const found = known.find((name) => name === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Known are ${known.join(', ')}; did you mean ${closest(text, known)}?`);
  };
}

/** Of commands that may come upon a recipe or run with code of its user's. */
export function allowCodeOption(): Option {
  return new Option(
    '--allow-code',
    'run the files of your own that the recipe or run names (model.router, partition.saliency)',
  );
}

/** The examples at the end of a command's help. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ padnet ${example}`);
  return command.addHelpText('after', `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}`);
}

/** @throws RecipeError where `--width` is no width of that network, by the rule of recipes */
export function checkWidth(name: string, width: number | undefined): void {
  parseSection(modelSchema, { name, width }, { width: '--width' });
}
