/** The rates of this machine: those that `padnet calibrate` has measured, else the defaults of its instruction set. */
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../cacheFolder.js';
import { reasonOf } from '../errors.js';
import { readJson } from '../jsonFile.js';
import { writeOutput, type FileKind } from '../outputFile.js';
import { workKinds, type Rates } from './costModel.js';
import { instructionSet } from './nativeOperators.js';
import { defaultRates, instructionSets, type InstructionSet, type PlanRates } from './planRates.js';
import { setPlanRates } from './planRatesInUse.js';

/** The machine that rates belong to. */
export interface Machine {
  readonly cpu: string;
  readonly instructions: InstructionSet;
}

export interface MachineRates {
  readonly rates: PlanRates;
  /** The file that they come from; null for the defaults. */
  readonly file: string | null;
  /** Why there is a file and it was not read, in one line. */
  readonly problem: string | null;
}

const rate = z.number().nonnegative();
const rates = z.strictObject(Object.fromEntries(workKinds.map((kind) => [kind, rate]))) as unknown as z.ZodType<Rates>;
const fileSchema = z.strictObject({
  version: z.literal(1),
  machines: z.array(
    z.strictObject({
      cpu: z.string(),
      instructions: z.enum(instructionSets),
      /** ISO 8601 */
      measured: z.string(),
      rates: z.strictObject({ inference: rates, training: rates }),
    }),
  ),
});
type File = z.infer<typeof fileSchema>;

export function ratesFile(): string {
  return join(cacheFolder(), 'plan-rates.json');
}

/**
 * Lets plans be chosen by this machine's rates: where a run starts, a network is loaded or measured. They are read once
 * a process, so that what a layer chooses does not change under it; what cannot be read is warned of.
 */
export function loadMachineRates(): MachineRates {
  if (current) return current;
  current = readMachineRates(ratesFile());
  setPlanRates(current.rates);
  if (current.problem !== null) process.emitWarning(current.problem);
  return current;
}
let current: MachineRates | null = null;

export function readMachineRates(file: string, machine: Machine = thisMachine()): MachineRates {
  const defaults = defaultRates[machine.instructions];
  const found = readFile(file);
  if ('problem' in found) return { rates: defaults, file: null, problem: found.problem };
  const own = found.machines.find((entry) => isSame(entry, machine));
  return own ? { rates: own.rates, file, problem: null } : { rates: defaults, file: null, problem: null };
}

/** Also one that is damaged, or of another version. */
const ratesKind: FileKind = {
  name: 'file of rates',
  isOne: (beginning) => /^\{\s*"version"/.test(beginning),
};

/**
 * Adds the rates of a machine to the file, in place of those it had.
 *
 * @throws InputError where the file cannot be written, or is no file of rates
 */
export function writeMachineRates(file: string, rates: PlanRates, machine: Machine = thisMachine()): void {
  const found = readFile(file);
  const others = 'problem' in found ? [] : found.machines.filter((entry) => !isSame(entry, machine));
  const content: File = {
    version: 1,
    machines: [...others, { ...machine, measured: new Date().toISOString(), rates }],
  };
  writeOutput(file, `${JSON.stringify(content, null, 2)}\n`, ratesKind);
}

export function thisMachine(): Machine {
  return { cpu: cpus()[0]?.model.trim() ?? 'unknown', instructions: instructionSet() };
}

function readFile(file: string): File | { readonly problem: string } {
  if (!existsSync(file)) return { version: 1, machines: [] };
  try {
    return readJson(file, fileSchema, {
      expected: 'rates',
      wayOut: 'the defaults are used, measure again with `padnet calibrate`',
    });
  } catch (error) {
    return { problem: reasonOf(error) };
  }
}

function isSame(a: Machine, b: Machine): boolean {
  return a.cpu === b.cpu && a.instructions === b.instructions;
}
