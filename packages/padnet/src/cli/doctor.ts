/** `padnet doctor`: whether this machine is ready, and what to do where it is not. */
import { diagnose, type Finding } from './diagnosis.js';
import { type Command, jsonOption, type OptionsOf, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

const define = (command: Command) =>
  withExamples(command, 'doctor')
    .addHelpText('after', '\nExit code 1 where something fails; warnings alone are no failure.')
    .option('--data <folder>', "where Fashion-MNIST is (default: that of Debian's dataset-fashion-mnist)")
    .addOption(jsonOption('print the findings as JSON'));

export function register(command: Command, terminal: Terminal): void {
  define(command).action((options) => {
    doctor(options, terminal);
  });
}

const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

function doctor({ data, json }: OptionsOf<typeof define>, terminal: Terminal): void {
  const findings: Finding[] = [];
  for (const finding of diagnose(data)) {
    findings.push(finding);
    if (!json) printFinding(finding, terminal);
  }
  const failed = findings.some(({ level }) => level === 'fail');
  if (json) terminal.printJson({ ok: !failed, findings });
  if (failed) terminal.exitCode = 1;
}

function printFinding({ level, subject, found, fix }: Finding, terminal: Terminal): void {
  terminal.print(`${terminal.style(colours[level], level.padEnd(4))}  ${subject.padEnd(10)}  ${found}`);
  if (fix !== null) terminal.print(`${' '.repeat(18)}→ ${fix}`);
}
