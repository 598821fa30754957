/** `padnet train`: a recipe → a run. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { stringify } from 'yaml';
import { InputError } from '../errors.js';
import { formatBytes, formatCount } from '../report/format.js';
import type { Recipe } from '../training/index.js';
import { collected, withExamples } from './options.js';
import { trainingView } from './trainingView.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

interface TrainOptions {
  readonly set?: readonly string[];
  readonly out?: string;
  /** `true` without a folder. */
  readonly resume?: string | true;
  readonly force?: boolean;
  readonly seed?: string;
  readonly device: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** What to train, and where. */
interface Plan {
  readonly recipe: Recipe;
  readonly out: string;
  readonly resume: boolean;
}

export function registerTrain(program: Command, terminal: Terminal): void {
  const command = program
    .command('train')
    .description('Train a network as a recipe says; the results are a folder, the run.')
    .argument('[recipe]', 'YAML file')
    .option('--set <key=value>', "another value for one of the recipe's keys, such as training.epochs=5", collected)
    .option('--out <folder>', "where the run goes (default: runs/<the recipe's name>)")
    .option(
      '--resume [run]',
      'go on with a run where it stopped; without a run, with that of the recipe, started where there is none',
    )
    .option('--force', 'start anew where there is a run already, which is then deleted')
    .option('--seed <number>', 'short for --set training.seed=<number>')
    .addOption(new Option('--device <name>', 'cpu or cuda').default('cpu'))
    .option('--dry-run', 'only show what would be trained')
    .option('--json', 'events as JSON, one a line')
    .action((recipe: string | undefined, options: TrainOptions) => train(recipe, options, terminal));
  withExamples(
    command,
    'train recipes/fashion-mnist/pad30.yaml',
    'train recipes/fashion-mnist/pad30.yaml --set partition.ratio=0.5 --seed 2 --out runs/pad50',
    'train --resume runs/pad50',
  ).addHelpText(
    'after',
    '\nCtrl-C finishes the step under way, saves and says how to go on (exit code 130); pressed twice, it exits at once.',
  );
}

async function train(file: string | undefined, options: TrainOptions, terminal: Terminal): Promise<void> {
  const plan = await makePlan(file, options);
  const device = checkedDevice(options.device);
  if (options.dryRun) {
    await showPlan(plan, options, terminal);
    return;
  }
  const { trainInWorker } = await import('../training/index.js');
  const { recipe, out, resume } = plan;
  using interruption = new Interruption(terminal);
  const signal = AbortSignal.any([interruption.signal, terminal.closed]);
  const view = trainingView(terminal, { json: options.json === true });
  let stoppedAt: number | null = null;
  try {
    if (recipe.modality === 'text') await fetchPretrained(recipe.model.pretrained, signal, terminal);
    view.start(`${resume ? 'resuming' : 'training'} ${networkName(recipe)} (${recipe.model.layer}) in ${out}`);
    for await (const event of trainInWorker(recipe, { out, resume, force: options.force === true, signal, device })) {
      view.show(event);
      if (event.type === 'interrupted') stoppedAt = event.step;
    }
  } finally {
    view.end();
  }
  if (stoppedAt !== null) {
    terminal.remark(`stopped at step ${stoppedAt}, saved; resume with: padnet train --resume ${out}`);
    terminal.exitCode = interruption.exitCode;
  }
}

async function makePlan(file: string | undefined, options: TrainOptions): Promise<Plan> {
  const { set = [], seed, out, resume, force } = options;
  if (resume !== undefined && force)
    throw new UsageError('--resume goes on with a run and --force deletes it: give one of them');
  if (typeof resume === 'string') {
    if (file !== undefined) {
      throw new UsageError(
        `--resume ${resume} goes on with that run's own recipe: leave ${file} away, or give the run with --out`,
      );
    }
    if (set.length > 0 || seed !== undefined || out !== undefined) {
      throw new UsageError(
        '--resume goes on with the recipe and folder of the run: --set, --seed and --out can not change them',
      );
    }
    return { recipe: await runRecipe(resume), out: resume, resume: true };
  }
  if (file === undefined) {
    throw new UsageError(
      'expected a recipe, as in `padnet train recipes/fashion-mnist/static.yaml`, or --resume <run>',
    );
  }
  const { parseRecipe } = await import('../training/index.js');
  const seeds = seed === undefined ? [] : [{ key: 'training.seed', value: seed, label: `--seed ${seed}` }];
  const parsed = parseRecipe(readText(file), file, [...set, ...seeds]);
  const recipe = await withAbsolutePaths(parsed);
  const folder = out ?? join('runs', basename(file, extname(file)));
  const goesOn = resume === true && existsSync(join(folder, 'recipe.yaml'));
  if (goesOn) await checkSameRecipe(recipe, folder);
  return { recipe, out: folder, resume: goesOn };
}

/** So that the run can be resumed and evaluated from any working folder. */
async function withAbsolutePaths(recipe: Recipe): Promise<Recipe> {
  const masks = recipe.partition?.masks;
  const partition = recipe.partition && { ...recipe.partition, ...(masks !== undefined && { masks: resolve(masks) }) };
  const absolute = (path: string | undefined) => (path === undefined ? {} : { path: resolve(path) });
  if (recipe.modality === 'image')
    return { ...recipe, data: { ...recipe.data, ...absolute(recipe.data.path) }, partition };
  const { GLUE_PATH } = await import('../data/index.js');
  const { model } = recipe;
  // A folder; the name of a model on the hub stays.
  const pretrained = existsSync(model.pretrained) ? resolve(model.pretrained) : model.pretrained;
  return {
    ...recipe,
    model: { ...model, pretrained },
    data: { ...recipe.data, ...absolute(recipe.data.path ?? GLUE_PATH) },
    partition,
  };
}

function networkName(recipe: Recipe): string {
  return recipe.modality === 'image' ? recipe.model.name : basename(recipe.model.pretrained);
}

async function runRecipe(run: string): Promise<Recipe> {
  const { readRun } = await import('../training/index.js');
  return readRun(run).recipe;
}

async function checkSameRecipe(recipe: Recipe, run: string): Promise<void> {
  const stored = stringify(await runRecipe(run)).split('\n');
  const wanted = stringify(recipe).split('\n');
  const line = wanted.findIndex((text, index) => text !== stored[index]);
  if (line === -1 && wanted.length === stored.length) return;
  const was = stored[line]?.trim() ?? 'nothing more';
  const is = wanted[line]?.trim() ?? 'nothing more';
  throw new InputError(
    `${run} was started with another recipe (there \`${was}\`, here \`${is}\`); go on with its own by ` +
      `\`padnet train --resume ${run}\`, or choose another folder with --out`,
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : (error as Error).message;
    throw new InputError(`${file}: expected a recipe, but ${reason}`, { cause: error });
  }
}

function checkedDevice(name: string): 'cpu' | 'cuda' | `cuda:${number}` {
  if (name === 'cpu' || name === 'cuda' || /^cuda:\d+$/.test(name)) return name as 'cpu';
  throw new UsageError(`--device ${name}: expected cpu, cuda or cuda:<number>`);
}

/** The resolved recipe, and what it costs. */
async function showPlan({ recipe, out, resume }: Plan, { json }: TrainOptions, terminal: Terminal): Promise<void> {
  const [{ prepareTask, serialiseRecipe, Trainer }, { countStored }] = await Promise.all([
    import('../training/index.js'),
    import('../layers/index.js'),
  ]);
  const prepared = await prepareTask(recipe);
  const { task, training, trainSamples, testSamples, sample } = prepared;
  const macs = prepared.countMacs();
  const { parameters, entries } = countStored(task.network);
  const { totalSteps, stepsPerEpoch } = new Trainer({ task, training, partition: recipe.partition });
  if (json) {
    terminal.printJson({
      recipe,
      run: out,
      resume,
      parameters,
      dynamicEntries: entries,
      macs,
      stepsPerEpoch,
      totalSteps,
      samples: { train: trainSamples, test: testSamples, each: sample },
    });
    return;
  }
  terminal.print(serialiseRecipe(recipe).trimEnd());
  terminal.print(
    [
      '',
      `# run          ${out}${resume ? ' (resumed)' : ''}`,
      `# data         ${trainSamples} to train on, ${testSamples} to test on, each ${sample}`,
      `# parameters   ${formatCount(parameters)}${recipe.partition ? ', before the partition' : ''}`,
      `# MACs         ${formatCount(macs)} for ${sample}`,
      `# steps        ${totalSteps}: ${training.epochs} epochs of ${stepsPerEpoch}`,
    ].join('\n'),
  );
}

/** Downloads a model that is not here yet, telling how far it is. */
async function fetchPretrained(name: string, signal: AbortSignal, terminal: Terminal): Promise<void> {
  const { resolvePretrained } = await import('../models/index.js');
  let told = performance.now();
  await resolvePretrained(name, {
    signal,
    onProgress: ({ file, receivedBytes, totalBytes }) => {
      if (performance.now() - told < 2000) return;
      told = performance.now();
      const total = totalBytes === null ? '' : ` of ${formatBytes(totalBytes)}`;
      terminal.remark(`downloading ${name}: ${file}, ${formatBytes(receivedBytes)}${total}`);
    },
  });
}

/** Ctrl-C and SIGTERM: the first aborts `signal`, the second ends the process at once. */
class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #terminal: Terminal;
  readonly #listener = (name: NodeJS.Signals): void => {
    this.#received(name);
  };
  exitCode = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    process.on('SIGINT', this.#listener);
    process.on('SIGTERM', this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#listener);
    process.off('SIGTERM', this.#listener);
  }

  #received(name: NodeJS.Signals): void {
    const code = name === 'SIGINT' ? 130 : 143;
    if (this.signal.aborted) process.exit(code);
    this.exitCode = code;
    this.#terminal.remark(`\n${name === 'SIGINT' ? 'Ctrl-C' : name}: finishing this step; once more to exit at once`);
    this.#controller.abort();
  }
}
