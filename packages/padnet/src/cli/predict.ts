/** `padnet predict`: the answers of a run's network about pictures, or about sentences. */
import { loadAnswering, sampleNames } from '../runs/index.js';
import { commandsOf } from './modalities.js';
import {
  allowCodeOption,
  answeringNetwork,
  type Command,
  jsonOption,
  type OptionsOf,
  wholeNumber,
  withExamples,
} from './options.js';
import type { Terminal } from './terminal.js';
import { refuseOptions, refuseUsage } from './usage.js';

const define = (command: Command) =>
  withExamples(
    command,
    'predict runs/pad30 holiday scans/*.tif --top 3 --csv',
    'predict runs/pad30 photo.jpg --coefficients',
    'predict runs/sst2-pad50 "a film that is worth its length"',
    'predict runs/rte-pad50 "A cat sat on the mat." "There is a cat." --experts',
    'predict runs/rte-pad50 --file pairs.tsv --json',
  )
    .argument('<run>', answeringNetwork)
    .argument('[inputs...]', 'pictures, folders of them, - for one on standard input; or a sentence, or a pair of them')
    .option('--file <file>', 'names of pictures or sentences, one a line (- for standard input); or a table of texts')
    .option('--top <number>', 'so many classes of a picture (default: 5; of several 1)', wholeNumber(1))
    .option('--coefficients', 'pictures: show how every dynamic convolution mixes its kernels')
    .option('--experts', 'texts: show which experts each token went to, in every mixture of experts')
    .addOption(allowCodeOption())
    .addOption(jsonOption('print the answer as JSON; of several, one line each'))
    .option('--csv', 'print the answers as comma-separated values');

export function register(command: Command, terminal: Terminal): void {
  define(command).action((run, inputs, options) => predict(run, inputs, options, terminal));
}

async function predict(
  run: string,
  inputs: readonly string[],
  options: OptionsOf<typeof define>,
  terminal: Terminal,
): Promise<void> {
  const { file, json = false, csv = false, top } = options;
  refuseUsage({
    'give pictures or a sentence, or a file that lists them with --file': file === undefined && inputs.length === 0,
    [`--file ${file!} and ${inputs[0]!} both say what is asked about: give one of them`]:
      file !== undefined && inputs.length > 0,
  });
  const model = loadAnswering(run, options);
  const commands = commandsOf(model.modality);
  refuseOptions(options, commands.predictRefused, (option, purpose) => {
    return `${option} is for runs on ${purpose}; ${run} is on ${sampleNames[model.modality]}`;
  });
  const { [commands.detail]: detailed = false } = options;
  refuseUsage({
    '--json and --csv are two forms of the answer: give one of them': json && csv,
    [`--${commands.detail} is for the table and --json, not for --csv`]: csv && detailed,
  });
  const format = json ? 'json' : csv ? 'csv' : 'table';
  await commands.predict({ run, model, inputs, file, top, detailed, format, terminal });
}
