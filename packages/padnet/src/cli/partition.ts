/** `padnet partition`: masks for a network that has been trained. */
import { statSync } from 'node:fs';
import { isThere } from '../readRegularFile.js';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { InputError } from '../errors.js';
import { checkOutput, writeOutput } from '../outputFile.js';
import { encodePartition, overallDynamicRatio, partitionFile } from '../partition/index.js';
import { parsePartition, type PartitionOptions, type Recipe } from '../recipe/index.js';
import { holdFolder, RunFolder } from '../runs/index.js';
import { partitionRun } from '../training/index.js';
import { formatPercent } from '../report/format.js';
import { formatScore, metricName } from '../report/scoreText.js';
import { writeHeldOutput } from '../runs/writeHeldOutput.js';
import { allowCodeOption, collected, withExamples } from './options.js';
import { readDataRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';

interface PartitionCommandOptions {
  readonly ratio: string;
  readonly rounds?: string;
  readonly schedule?: string;
  readonly scope?: string;
  readonly granularity?: string;
  readonly score?: string;
  readonly batches?: string;
  readonly recipe?: string;
  readonly set?: readonly string[];
  readonly out?: string;
  readonly force?: boolean;
  readonly allowCode?: boolean;
  readonly json?: boolean;
}

/** The options, and the recipe's keys that they stand for. */
const keys = {
  ratio: 'ratio',
  rounds: 'rounds',
  schedule: 'schedule',
  scope: 'scope',
  granularity: 'granularity',
  score: 'saliency',
  batches: 'batches',
} as const;

export function register(command: Command, terminal: Terminal): void {
  command
    .argument(
      '<network>',
      'folder of a finished run with model.layer: dynamic or partial, or with --recipe, of a network that `padnet convert` wrote; it is not ' +
        'changed',
    )
    .requiredOption('--ratio <number>', 'fraction of the entries that stay dynamic, from 0 to 1')
    .option('--rounds <number>', 'rounds; 1 is the one-shot partition')
    .option('--schedule <name>', 'exponential or linear')
    .option('--scope <name>', 'global: one threshold for all layers; local: one a layer')
    .option(
      '--granularity <name>',
      'entry; kernel or filter of a convolution; filter, neuron or block of a linear layer',
    )
    .option('--score <name>', 'maskGradient, snip, grasp, synFlow, variance, magnitude, random or a file of your own')
    .option('--batches <number>', 'batches of training data that are scored')
    .option('--recipe <file>', 'the recipe on whose data entries are scored (default: that of the run)')
    .option(
      '--set <key=value>',
      "another value for one of the recipe's data keys, such as data.path=<folder>",
      collected,
    )
    .option('--out <file>', 'where the masks go (default: <network>/partition-<ratio>.safetensors)')
    .option('--force', 'replace the file where it is there already')
    .addOption(allowCodeOption())
    .option('--json', 'print the result as JSON')
    .action((network: string, options: PartitionCommandOptions) => partition(network, options, terminal));
  withExamples(
    command,
    'partition runs/dyconv --ratio 0.5 --rounds 5 --schedule linear',
    'partition runs/dyconv --ratio 0.3 --out masks.safetensors',
    'partition networks/dyconv --ratio 0.3 --recipe recipes/fashion-mnist/dyconv.yaml',
  );
}

async function partition(run: string, options: PartitionCommandOptions, terminal: Terminal): Promise<void> {
  const settings = partitionSettings(options);
  const file = options.out ?? join(run, `partition-${settings.ratio}.safetensors`);
  const place = new RunFolder(dirname(file));
  if (isThere(place.recipe) && place.owns(file))
    throw new InputError(`${file} belongs to the run in ${place.path}; choose another file`);
  checkOutput(file, partitionFile);
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isFile() && there.size > 0 && !options.force) {
    throw new InputError(`${file} exists already; --force replaces it, --out <file> writes another`);
  }
  const recipe = recipeOf(run, options);
  // What is put into the run is of the network that is in it.
  using hold = options.out === undefined ? await holdFolder(run) : null;
  const start = performance.now();
  const {
    partition: found,
    before,
    after,
  } = await partitionRun(run, settings, {
    onRound: ({ round, dynamicRatio }) => {
      if (!options.json) {
        terminal.progress(
          `round ${round} of ${settings.rounds}: ${formatPercent(dynamicRatio)} of the entries stay dynamic`,
        );
      }
    },
    signal: terminal.closed,
    allowCode: options.allowCode,
    ...(recipe && { recipe }),
  });
  if (hold) writeOutput(file, encodePartition(found), partitionFile);
  else await writeHeldOutput(file, encodePartition(found), partitionFile);
  const dynamicRatio = overallDynamicRatio(found.masks.values());
  if (options.json) {
    terminal.printJson({
      file,
      settings: found.settings,
      rounds: found.rounds,
      dynamicRatio,
      metric: before.metric,
      scoreBefore: before.score,
      scoreAfter: after.score,
      seconds: (performance.now() - start) / 1000,
    });
    return;
  }
  terminal.print(
    [
      `${formatPercent(dynamicRatio)} of the entries are dynamic, in ${file}`,
      `test ${metricName(before.metric)} ${formatScore(before.metric, before.score)} before, ` +
        `${formatScore(after.metric, after.score)} with these masks, not trained further`,
      `see them with: padnet mask show ${file}; train with them: --set partition.masks=${file}`,
    ].join('\n'),
  );
}

/** Null: that of the run, as it is. */
function recipeOf(run: string, { recipe, set = [] }: PartitionCommandOptions): Recipe | null {
  if (recipe === undefined && set.length === 0) return null;
  return readDataRecipe(recipe ?? new RunFolder(run).recipe, set);
}

/** A recipe's `partition` section of the options alone. @throws UsageError naming the option that is wrong */
function partitionSettings(options: PartitionCommandOptions): PartitionOptions {
  const given = Object.entries(keys).flatMap(([option, key]) => {
    const value = options[option as keyof typeof keys];
    return value === undefined ? [] : [{ key, value, label: `--${option} ${value}` }];
  });
  return parsePartition(given);
}
