/** `padnet eval`: accuracy of a run's network on the test pictures. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatPercent, formatSeconds } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { collected, wholeNumber, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

interface EvalOptions {
  readonly set?: readonly string[];
  readonly batchSize: number;
  readonly json?: boolean;
}

export function registerEval(program: Command, terminal: Terminal): void {
  const command = program
    .command('eval')
    .description("Evaluate a run's network on its test pictures, or on others.")
    .argument('<run>', 'folder of a finished run')
    .option(
      '--set <key=value>',
      "another value for one of the recipe's data keys, such as data.path=<folder>",
      collected,
    )
    .option('--batch-size <number>', 'pictures at once', wholeNumber(1), 256)
    .option('--json', 'print the result as JSON')
    .action((run: string, options: EvalOptions) => evaluateRun(run, options, terminal));
  withExamples(command, 'eval runs/pad30', 'eval runs/pad30 --set data.testLimit=1000');
}

async function evaluateRun(run: string, { set = [], batchSize, json }: EvalOptions, terminal: Terminal): Promise<void> {
  const { evaluate, loadData, loadRunModel, parseRecipe, readRun } = await import('../training/index.js');
  const { folder } = readRun(run);
  const recipe = parseRecipe(readFileSync(folder.recipe, 'utf8'), folder.recipe, set);
  const { network, description } = loadRunModel(run);
  const { test } = loadData(recipe.data);
  const start = performance.now();
  const { normalise } = description;
  const { accuracy, loss, predictions } = await evaluate(network, test, {
    batchSize,
    normalise,
    signal: terminal.closed,
  });
  const seconds = (performance.now() - start) / 1000;
  const classes = test.classNames.map((name, label) => {
    const members = Array.from(predictions).filter((_, index) => test.labels[index] === label);
    const correct = members.filter((prediction) => prediction === label).length;
    return { name, images: members.length, accuracy: members.length === 0 ? null : correct / members.length };
  });
  if (json) {
    const { length } = test;
    terminal.printJson({ run, accuracy, loss, images: length, imagesPerSecond: length / seconds, seconds, classes });
    return;
  }
  terminal.print(
    [
      `test accuracy ${formatPercent(accuracy, 2)}, loss ${loss.toFixed(4)}`,
      `${test.length} pictures in ${formatSeconds(seconds)}, ${Math.round(test.length / seconds)} a second`,
      '',
      alignGrid({
        heading: ['class', 'pictures', 'accuracy'],
        rows: classes.map((row) => [row.name, String(row.images), formatPercent(row.accuracy)]),
        leftColumns: 1,
      }),
    ].join('\n'),
  );
}
