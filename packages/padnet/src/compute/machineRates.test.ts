import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { workKinds, type Rates } from './costModel.js';
import { ratesFile, readMachineRates, writeMachineRates, type Machine } from './machineRates.js';
import { defaultRates, instructionSets, type PlanRates } from './planRates.js';

const mine: Machine = { cpu: 'Zuse Z3', instructions: 'avx2' };
const defaults = { rates: defaultRates.avx2, file: null };

/** All rates are `rate`. */
function ratesOf(rate: number): PlanRates {
  const rates = Object.fromEntries(workKinds.map((kind) => [kind, rate])) as Rates;
  return { inference: rates, training: { ...rates, call: 2 * rate } };
}

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-rates-'));
  file = join(folder, 'cache', 'plan-rates.json');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function write(text: string): void {
  mkdirSync(join(folder, 'cache'));
  writeFileSync(file, text);
}

describe('the rates of a machine', () => {
  it('are the defaults of its instruction set where nothing was measured', () => {
    expect(readMachineRates(file, mine)).toEqual({ ...defaults, problem: null });
    expect(readMachineRates(file, { ...mine, instructions: 'portable' }).rates).toBe(defaultRates.portable);
  });

  it('are those that were written last for it; other machines keep theirs', () => {
    const others: Machine[] = [
      { ...mine, instructions: 'portable' },
      { ...mine, cpu: 'Zuse Z4' },
    ];
    writeMachineRates(file, ratesOf(1), mine);
    for (const [index, other] of others.entries()) writeMachineRates(file, ratesOf(10 + index), other);
    writeMachineRates(file, ratesOf(2), mine);
    expect(readMachineRates(file, mine)).toEqual({ rates: ratesOf(2), file, problem: null });
    for (const [index, other] of others.entries())
      expect(readMachineRates(file, other)).toEqual({ rates: ratesOf(10 + index), file, problem: null });
    expect(readMachineRates(file, { cpu: 'Zuse Z1', instructions: 'avx2' })).toEqual({ ...defaults, problem: null });
    expect((JSON.parse(readFileSync(file, 'utf8')) as { machines: unknown[] }).machines).toHaveLength(3);
  });

  const rates = ratesOf(1);
  const entry = { ...mine, measured: '2026-11-27T00:00:00Z', rates };
  it.each<[string, string, string]>([
    ['no JSON', '{"version": 1', 'expected rates, but it is not JSON; '],
    ['another version', JSON.stringify({ version: 2, machines: [] }), 'version: '],
    [
      'a rate below 0',
      JSON.stringify({ version: 1, machines: [{ ...entry, rates: ratesOf(-1) }] }),
      'expected a number of at least 0, got -1',
    ],
    [
      'a kind that is missing',
      JSON.stringify({
        version: 1,
        machines: [{ ...entry, rates: { ...rates, inference: { ...rates.inference, mix: undefined } } }],
      }),
      'machines[0].rates.inference.mix: missing; ',
    ],
    [
      'an unknown kind',
      JSON.stringify({
        version: 1,
        machines: [{ ...entry, rates: { ...rates, training: { ...rates.training, mixture: 1 } } }],
      }),
      'training.mixture: unknown key; ',
    ],
  ])('are the defaults where the file has %s, with the reason in one line', (_, text, reason) => {
    write(text);
    const { problem, ...found } = readMachineRates(file, mine);
    expect(found).toEqual(defaults);
    expect(problem).toContain(`${file}: `);
    expect(problem).toContain(reason);
    expect(problem).toContain('measure again with `padnet calibrate`');
    expect(problem).not.toContain('\n');
    writeMachineRates(file, rates, mine);
    expect(readMachineRates(file, mine)).toEqual({ rates, file, problem: null });
  });

  it('are the defaults where the file is a folder, which is not overwritten', () => {
    mkdirSync(file, { recursive: true });
    expect(readMachineRates(file, mine)).toMatchObject({
      ...defaults,
      problem: expect.stringContaining('expected rates, but it is a folder') as string,
    });
    expect(() => {
      writeMachineRates(file, rates, mine);
    }).toThrow();
  });

  it('lie in the cache', () => {
    vi.stubEnv('PADNET_CACHE', '/somewhere');
    expect(ratesFile()).toBe('/somewhere/plan-rates.json');
  });
});

describe('thisMachine', () => {
  it('has the instruction set that is asked for, at most that of the processor', () => {
    const { href } = new URL('./machineRates.js', import.meta.url);
    const program = `import('${href}').then(({ thisMachine }) => console.log(JSON.stringify(thisMachine())))`;
    const machineOf = (asked: string): unknown => {
      const env = { ...process.env, PADNET_ISA: asked };
      return JSON.parse(execFileSync(process.execPath, ['-e', program], { env, encoding: 'utf8' }));
    };
    const best = machineOf('mmx') as Machine;
    expect(best.cpu).not.toBe('');
    for (const [index, name] of instructionSets.entries()) {
      const most = Math.max(index, instructionSets.indexOf(best.instructions));
      expect(machineOf(name)).toEqual({ ...best, instructions: instructionSets[most] });
    }
  });
});
