/**
 * The definition of commands: values of options, checked while the command line is read, and options that many have.
 */
import { type Command as TypedCommand, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { closest } from 'fastest-levenshtein';
import { compactDTypes } from '../export/compactForm.js';
import { modelSchema } from '../models/index.js';
import { parseSection } from '../recipe/index.js';

/** A command that has no parameters yet. */
export type Command = TypedCommand;

/** The options of a command, as its definition gives them to it. */
export type OptionsOf<Define extends (command: Command, ...others: never[]) => { opts(): unknown }> = ReturnType<
  ReturnType<Define>['opts']
>;

/** Reads a number. @param expected the numbers that are taken, in words; commander names the option before them */
function number(expected: string, isTaken: (value: number, text: string) => boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && isTaken(value, text)) return value;
    throw new InvalidArgumentError(`Expected ${expected}.`);
  };
}

export function wholeNumber(minimum: number): (text: string) => number {
  const isTaken = (value: number, text: string): boolean =>
    /^\d+$/.test(text) && Number.isSafeInteger(value) && value >= minimum;
  return number(`a whole number of at least ${minimum}`, isTaken);
}

export const fraction = number('a number from 0 to 1', (value) => value >= 0 && value <= 1);
export const nonNegativeNumber = number('a number of at least 0', (value) => value >= 0 && Number.isFinite(value));
export const positiveNumber = number('a number above 0', (value) => value > 0 && Number.isFinite(value));

/** One of `known`, or several with commas between. */
export function listOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  const one = oneOf(known);
  return (text) => text.split(',').map((name) => one(name.trim()));
}

/** Whole numbers of at least `minimum` with commas between, each once. */
export function listOfNumbers(minimum: number): (text: string) => readonly number[] {
  const one = wholeNumber(minimum);
  return (text) => [...new Set(text.split(',').map((each) => one(each.trim())))];
}

export function oneOf<T extends string>(known: readonly T[]): (text: string) => T {
  return (text) => {
    const found = known.find((name) => name === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Known are ${known.join(', ')}; did you mean ${closest(text, known)}?`);
  };
}

/** An option that may be given several times: `--set a=1 --set b=2` → ['a=1', 'b=2'] */
export function collected(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

export function setOption(description: string) {
  return new Option('--set <key=value>', description).argParser<string[]>(collected);
}

/** The same for a recipe whose data alone are used. */
export function setDataOption() {
  return setOption("another value for one of the recipe's data keys, such as data.path=<folder>");
}

/** The option of commands that may come upon a recipe or run with code of its user's. */
export function allowCodeOption() {
  return new Option('--allow-code', 'run the files of your own that the recipe or run names: a router, a score');
}

/** What commands take that answer with a network. */
export const answeringNetwork =
  'folder of a finished run, of a converted network, or of a classifier as Hugging Face saves it';

export function dtypeOption() {
  const description = `what weights are stored as: ${compactDTypes.join(', ')}`;
  return new Option('--dtype <name>', description).argParser(oneOf(compactDTypes)).default('float32' as const);
}

export function jsonOption(description = 'print the result as JSON') {
  return new Option('--json', description);
}

/** Gives a command examples at the end of its help. */
export function withExamples<C extends { addHelpText(position: 'after', text: string): unknown }>(
  command: C,
  ...examples: readonly string[]
): C {
  const lines = examples.map((example) => `  $ padnet ${example}`);
  command.addHelpText('after', `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}`);
  return command;
}

/** @throws RecipeError where `--width` is no width of that network, by the rule of recipes */
export function checkWidth(name: string, width: number | undefined): void {
  parseSection(modelSchema, { name, width }, { width: '--width' });
}
