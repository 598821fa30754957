/** The frame of all measurements: the options that tell them what to measure, and the output. */
import { availableParallelism } from 'node:os';
import { Option, type Command } from 'commander';
import { setNumThreads } from '@padnet/torch';
import { wholeNumber } from '../../packages/padnet/dist/cli/options.js';
import { describeEnvironment } from '../../packages/padnet/dist/runs/environment.js';
import { table, type Row } from './table.js';

/** An option whose value is a `T`. */
export interface Setting<T> extends Option {
  readonly value?: T;
}

/** The values of options, by name. */
export type Values<S> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

export function option<T>(flags: string, description: string, read: (text: string) => T, value: T): Setting<T> {
  return new Option(flags, description).argParser(read).default(value);
}

/** An option that can be left out, or has no value. */
export function optional<T>(flags: string, description: string, read?: (text: string) => T): Setting<T | undefined> {
  const setting = new Option(flags, description);
  return read ? setting.argParser(read) : setting;
}

/** A whole number of at least 1. */
export function count(flag: string, description: string, value: number): Setting<number> {
  return option(`${flag} <number>`, description, wholeNumber(1), value);
}

const common = {
  threads: option('--threads <number>', 'threads (default: all cores)', wholeNumber(1), availableParallelism()),
  json: optional<boolean>('--json', 'print the result as JSON'),
};

export interface Outcome {
  /** The subject and the settings: a line over the table, and the head of the JSON. */
  readonly settings: Row;
  /** The rest of the JSON. */
  readonly found: object;
  readonly rows: readonly Row[];
  /** A line under the table. */
  readonly note?: string;
}

/** A measurement, as a function that adds its command to a program. */
export function measurement<S extends Readonly<Record<string, Option>>>(
  name: string,
  description: string,
  options: S,
  measure: (values: Values<S & typeof common>) => Promise<Outcome>,
): (program: Command) => void {
  return (program) => {
    const command = program.command(name).description(description);
    for (const each of Object.values({ ...options, ...common })) command.addOption(each);
    command.action(async (values: Values<S & typeof common>) => {
      const { threads, json } = values as Values<typeof common>;
      setNumThreads(threads);
      const { settings, found, rows, note } = await measure(values);
      const all = { ...settings, threads, ...found, environment: describeEnvironment() };
      print(json ? JSON.stringify(all, null, 2) : asText({ ...settings, threads }, rows, note));
    });
  };
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function asText(settings: Row, rows: readonly Row[], note?: string): string {
  const known = Object.entries(settings).filter(([, value]) => value !== null);
  const head = known.map(([name, value]) => `${name} ${String(value)}`).join(', ');
  return `${head}\n\n${table(rows)}${note === undefined ? '' : `\n\n${note}`}`;
}
