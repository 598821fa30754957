/** `padnet partition`: masks for a network that has been trained. */
import { statSync } from 'node:fs';
import { isThere } from '../readRegularFile.js';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.js';
import { checkOutput, type FileKind, writeOutput } from '../outputFile.js';
import { encodePartition, overallDynamicRatio, partitionFile, saliencies } from '../partition/index.js';
import { parsePartition, type PartitionOptions, type Recipe } from '../recipe/index.js';
import { holdFolder, RunFolder } from '../runs/index.js';
import { partitionRun } from '../training/index.js';
import { formatPercent } from '../report/format.js';
import { formatScore, metricName } from '../report/scoreText.js';
import { writeHeldOutput } from '../runs/writeHeldOutput.js';
import { allowCodeOption, type Command, jsonOption, type OptionsOf, setDataOption, withExamples } from './options.js';
import { remarksOn } from './remarks.js';
import { readDataRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';

const define = (command: Command) =>
  withExamples(
    command,
    'partition runs/dyconv --ratio 0.5 --rounds 5 --schedule linear',
    'partition runs/dyconv --ratio 0.3 --out masks.safetensors',
    'partition networks/dyconv --ratio 0.3 --recipe recipes/fashion-mnist/dyconv.yaml',
  )
    .argument('<network>', 'folder of a finished dynamic or partial run; or of a converted network, with --recipe')
    .requiredOption('--ratio <number>', 'fraction of the entries that stay dynamic, from 0 to 1')
    .option('--rounds <number>', 'rounds; 1 is the one-shot partition')
    .option('--schedule <name>', 'exponential or linear')
    .option('--scope <name>', 'global: one threshold for all layers; local: one a layer')
    .option('--granularity <name>', 'entry, kernel or filter; of linear layers entry, filter, neuron or block')
    .option('--unit-sum <name>', 'of the scores in a unit: signed, |Σ|, or absolute, Σ|·|')
    .option('--score <name>', `${Object.keys(saliencies).join(', ')} or a file of your own`)
    .option(
      '--fold <how>',
      'static weights first: byUse, their mean by use; true, as in training; false, as they are',
      'byUse',
    )
    .option('--batches <number>', 'batches of training data that are scored')
    .option('--recipe <file>', 'the recipe on whose data entries are scored (default: that of the run)')
    .addOption(setDataOption())
    .option('--out <file>', 'where the masks go (default: <network>/partition-<ratio>.safetensors)')
    .option('--force', 'replace the file where it is there already')
    .addOption(allowCodeOption())
    .addOption(jsonOption());

type Options = OptionsOf<typeof define>;

export function register(command: Command, terminal: Terminal): void {
  define(command).action((network, options) => partition(network, options, terminal));
}

async function partition(run: string, options: Options, terminal: Terminal): Promise<void> {
  const { json, out, force, allowCode } = options;
  const settings = partitionSettings(options);
  const file = out ?? join(run, `partition-${settings.ratio}.safetensors`);
  const resultsFile = `${file.replace(/\.safetensors$/, '')}.json`;
  const place = new RunFolder(dirname(file));
  for (const [written, kind] of [[file, partitionFile] as const, [resultsFile, partitionResults] as const]) {
    if (isThere(place.recipe) && place.owns(written))
      throw new InputError(`${written} belongs to the run in ${place.path}; choose another file`);
    checkOutput(written, kind);
  }
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isFile() && there.size > 0 && !force)
    throw new InputError(`${file} exists already; --force replaces it, --out <file> writes another`);
  const recipe = recipeOf(run, options);
  // Masks in the folder of the run are of the network that is in it.
  using hold = out === undefined ? await holdFolder(run) : null;
  const start = performance.now();
  const result = await partitionRun(run, settings, {
    onRound: ({ round, dynamicRatio }) => {
      if (json) return;
      terminal.progress(
        `round ${round} of ${settings.rounds}: ${formatPercent(dynamicRatio)} of the entries stay dynamic`,
      );
    },
    onRemark: remarksOn(terminal).onText,
    signal: terminal.closed,
    allowCode,
    ...(recipe && { recipe }),
  });
  const { partition: found, before, after } = result;
  const dynamicRatio = overallDynamicRatio(found.masks.values());
  const { metric, score: scoreBefore, loss: lossBefore } = before;
  const { score: scoreAfter, loss: lossAfter } = after;
  const seconds = (performance.now() - start) / 1000;
  const { settings: used, rounds } = found;
  const results = {
    ...{ file, network: run, settings: used, fold: settings.fold, rounds, dynamicRatio },
    ...{ metric, scoreBefore, scoreAfter, lossBefore, lossAfter, seconds },
  };
  const write = async (to: string, data: string | Uint8Array, kind: FileKind): Promise<void> => {
    if (hold) writeOutput(to, data, kind);
    else await writeHeldOutput(to, data, kind);
  };
  await write(file, encodePartition(found), partitionFile);
  // Masks that go to a pipe or device have no file to lie beside.
  const isFile = there?.isFile() ?? true;
  if (isFile)
    await write(resultsFile, `${JSON.stringify({ format: resultsFormat, ...results }, null, 2)}\n`, partitionResults);
  terminal.result(json, results, () => [
    `${formatPercent(dynamicRatio)} of the entries are dynamic, in ${file}`,
    `test ${metricName(metric)} ${formatScore(metric, scoreBefore)} before, ` +
      `${formatScore(metric, scoreAfter)} with these masks, not trained further` +
      (isFile ? `; all numbers in ${resultsFile}` : ''),
    `see them with: padnet mask show ${file}; train with them: --set partition.masks=${file}`,
  ]);
}

const resultsFormat = 'padnet-partition-results-1';

/** What a partition cost, beside its masks. */
const partitionResults: FileKind = {
  name: 'file of what a partition cost',
  isOne: (beginning) => beginning.includes(`"format": "${resultsFormat}"`),
};

/** Null: that of the run, as it is. */
function recipeOf(run: string, { recipe, set = [] }: Options): Recipe | null {
  if (recipe === undefined && set.length === 0) return null;
  return readDataRecipe(recipe ?? new RunFolder(run).recipe, set);
}

/** A recipe's `partition` section of the options alone. @throws RecipeError naming the option that is wrong */
function partitionSettings(options: Options): PartitionOptions {
  return parsePartition(
    Object.entries(optionOf).flatMap(([key, { name, flag }]) => {
      const value = options[name];
      return value === undefined ? [] : [{ key, value, label: `${flag} ${value}` }];
    }),
  );
}

/** The options that give keys of a recipe's `partition` section. */
const optionOf = {
  ratio: { name: 'ratio', flag: '--ratio' },
  rounds: { name: 'rounds', flag: '--rounds' },
  schedule: { name: 'schedule', flag: '--schedule' },
  scope: { name: 'scope', flag: '--scope' },
  granularity: { name: 'granularity', flag: '--granularity' },
  unitSum: { name: 'unitSum', flag: '--unit-sum' },
  saliency: { name: 'score', flag: '--score' },
  fold: { name: 'fold', flag: '--fold' },
  batches: { name: 'batches', flag: '--batches' },
} as const satisfies Partial<Record<keyof PartitionOptions, { readonly name: keyof Options; readonly flag: string }>>;
