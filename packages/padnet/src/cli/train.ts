/** `padnet train`: a recipe → a run. */
import { isThere } from '../readRegularFile.js';
import { basename, extname, join } from 'node:path';
import { checkDevice, type Device } from '@padnet/torch';
import { rankEnvironment, type RankEnvironment } from '@padnet/torch/distributed/environment';
import { countStored } from '../layers/index.js';
import { type RecipeOverride, serialiseRecipe } from '../recipe/index.js';
import { holdFolder, readRunRecipe, RunFolder } from '../runs/index.js';
import { prepareTask, readMasks, taskKind, Trainer } from '../training/index.js';
import { formatCount } from '../report/format.js';
import { reasonOf } from '../errors.js';
import { commandLine } from './commandLine.js';
import { Interruption, isAbort } from './interruption.js';
import {
  allowCodeOption,
  type Command,
  jsonOption,
  listOfNumbers,
  type OptionsOf,
  setOption,
  withExamples,
} from './options.js';
import { checkSameRecipe, readTrainingRecipe } from './runRecipe.js';
import { describeSeeds, type SeedResult, summariseSeeds } from './seedResults.js';
import { trainingView } from './trainingView.js';
import { trainRun, type RunPlan } from './trainRun.js';
import type { Terminal } from './terminal.js';
import { refuseUsage, UsageError } from './usage.js';

const define = (command: Command) =>
  withExamples(
    command,
    'train recipes/fashion-mnist/pad30.yaml',
    'train recipes/fashion-mnist/pad30.yaml --set partition.ratio=0.5 --seed 2 --out runs/pad50',
    'train recipes/fashion-mnist/pad30.yaml --seeds 1,2,3 --resume',
    'train --resume runs/pad50',
  )
    .addHelpText(
      'after',
      '\nCtrl-C finishes the step, saves and says how to go on (code 130); twice, it exits at once.',
    )
    .argument('[recipe]', 'YAML file')
    .addOption(setOption("another value for one of the recipe's keys, such as training.epochs=5"))
    .option('--out <folder>', "where the run goes (default: runs/<the recipe's name>)")
    .option('--resume [run]', 'go on with this run; without its name with that of the recipe, if there is one')
    .option('--force', 'start anew where there is a run already, which is then deleted')
    .option('--allow-changes', 'with --resume: go on although recipe, data or machine have changed, and record it')
    .option('--seed <number>', 'short for --set training.seed=<number>')
    .option('--seeds <numbers>', 'train once for each, such as 1,2,3, in <out>/seed-<number>', listOfNumbers(0))
    .option('--device <name>', 'cpu or cuda', 'cpu')
    .addOption(allowCodeOption())
    .option('--dry-run', 'only show what would be trained')
    .addOption(jsonOption('events as JSON, one a line'));

type TrainOptions = OptionsOf<typeof define>;

export function register(command: Command, terminal: Terminal): void {
  define(command).action((recipe, options) => train(recipe, options, terminal));
}

async function train(file: string | undefined, options: TrainOptions, terminal: Terminal): Promise<void> {
  const ranks = ranksOfEnvironment();
  const plans = makePlans(file, options, terminal).map((plan) => ({ ...plan, ranks }));
  if (options.dryRun) {
    for (const plan of plans) await showPlan(plan, options, terminal);
    return;
  }
  const isFirst = (ranks?.rank ?? 0) === 0;
  if (!ranks) await checkFolders(plans); // else when all have come
  using interruption = new Interruption(terminal);
  const { signal } = interruption;
  const results: SeedResult[] = [];
  for (const plan of plans) {
    const { recipe, out, resume } = plan;
    const name = taskKind(recipe.modality).networkName(recipe);
    const title = `${resume ? 'resuming' : 'training'} ${name} (${recipe.model.layer}) in ${out}`;
    const view = isFirst ? trainingView(terminal, { json: options.json === true }) : {};
    const watch = { signal, terminal, view, title };
    const end = await trainRun(plan, watch).catch((error: unknown) => {
      if (isAbort(error, signal)) return null; // before the first step
      throw error;
    });
    if (end === null) {
      terminal.exitCode = interruption.exitCode;
      return;
    }
    if (end.type === 'interrupted') {
      terminal.exitCode = interruption.exitCode;
      if (!isFirst) return;
      const again = options.seeds ? resumingCommand(options, terminal) : commandLine(['train', '--resume', out]);
      terminal.remark(`stopped at step ${end.step}, saved; resume with: ${again}`);
      return;
    }
    results.push({ seed: recipe.training.seed, run: out, testMetrics: end.testMetrics });
  }
  if (!options.seeds || !isFirst) return;
  if (options.json) terminal.printJson(summariseSeeds(results), { oneLine: true });
  else terminal.print(describeSeeds(summariseSeeds(results)));
}

/** @throws UsageError where the variables that say which rank this is are wrong */
function ranksOfEnvironment(): RankEnvironment | null {
  try {
    return rankEnvironment();
  } catch (error) {
    throw new UsageError(reasonOf(error));
  }
}

/** The same command, once more. */
function resumingCommand({ resume }: TrainOptions, { parameters }: Terminal): string {
  if (resume !== undefined) return commandLine(parameters);
  return `${commandLine(parameters.filter((parameter) => parameter !== '--force'))} --resume`;
}

/** The runs to train, and where: one, or one for each seed. */
function makePlans(file: string | undefined, options: TrainOptions, terminal: Terminal): RunPlan[] {
  const { set = [], seed, seeds, out, resume, force = false, allowChanges = false, allowCode } = options;
  const device = checkedDevice(options.device);
  refuseUsage({
    '--resume goes on with a run and --force deletes it: give one of them': resume !== undefined && force,
    '--allow-changes is for --resume: a run that starts has nothing to differ from':
      allowChanges && resume === undefined,
    '--seed is for one run and --seeds for several: give one of them': seed !== undefined && seeds !== undefined,
  });
  if (typeof resume === 'string') {
    refuseUsage({
      [`--resume ${resume} goes on with that run's own recipe: leave ${file!} away, or give the run with --out`]:
        file !== undefined,
      '--resume goes on with the recipe and folder of the run: --set, --seed and --out cannot change them':
        set.length > 0 || [seed, seeds, out].some((each) => each !== undefined),
    });
    return [{ recipe: readRunRecipe(resume), out: resume, resume: true, allowChanges, device, allowCode }];
  }
  if (file === undefined) {
    throw new UsageError(
      'expected a recipe, as in `padnet train recipes/fashion-mnist/static.yaml`, or --resume <run>',
    );
  }
  const folder = out ?? join('runs', basename(file, extname(file)));
  const plan = (run: string, overrides: readonly RecipeOverride[]): RunPlan => {
    const recipe = readTrainingRecipe(file, [...set, ...overrides], { allowCode, terminal });
    const own = join(run, 'recipe.yaml');
    const goesOn = resume === true && isThere(own);
    if (goesOn && !allowChanges) checkSameRecipe(recipe, run);
    if (force) new RunFolder(run).checkInput(file);
    return { recipe, out: run, resume: goesOn, force, allowChanges, device, allowCode };
  };
  const seeded = (run: string, value: string, label: string): RunPlan =>
    plan(run, [{ key: 'training.seed', value, label }]);
  if (seeds) return seeds.map((each) => seeded(join(folder, `seed-${each}`), String(each), `--seeds ${each}`));
  return [seed === undefined ? plan(folder, []) : seeded(folder, seed, `--seed ${seed}`)];
}

/** Before anything is trained, or said to be. */
async function checkFolders(plans: readonly RunPlan[]): Promise<void> {
  for (const { out, resume, force = false } of plans) {
    const folder = new RunFolder(out);
    if (!resume) folder.checkNew(force);
    else if (isThere(folder.model)) continue; // it may only be told of
    using _hold = await holdFolder(out);
  }
}

/** @throws UsageError where there is no such device on this machine */
function checkedDevice(name: string): Device {
  if (name === 'cpu') return name;
  try {
    return checkDevice(name);
  } catch (error) {
    throw new UsageError(`--device ${name}: ${reasonOf(error)}`);
  }
}

/** The resolved recipe, and what it costs. */
async function showPlan(
  { recipe, out, resume, allowCode }: RunPlan,
  { json }: TrainOptions,
  terminal: Terminal,
): Promise<void> {
  const prepared = await prepareTask(recipe, { allowCode });
  const { task, training, saliency, trainSamples, validationSamples, testSamples, sample } = prepared;
  const macs = prepared.countMacs();
  const { parameters, entries } = countStored(task.network);
  const { totalSteps, stepsPerEpoch } = new Trainer({
    task,
    training,
    saliency,
    partition: recipe.partition,
    masks: readMasks(recipe.partition),
  });
  const { batchSize } = recipe.data;
  const { accumulation } = recipe.training;
  const heldOut = validationSamples === 0 ? '' : `${validationSamples} to validate on, `;
  const samplesPerStep = Math.min(batchSize * accumulation, trainSamples);
  const plan = {
    recipe,
    run: out,
    resume,
    parameters,
    dynamicEntries: entries,
    macs,
    stepsPerEpoch,
    totalSteps,
    samplesPerStep,
    samples: { train: trainSamples, validation: validationSamples, test: testSamples, each: sample },
  };
  terminal.result(json, plan, () => [
    serialiseRecipe(recipe).trimEnd(),
    '',
    `# run          ${out}${resume ? ' (resumed)' : ''}`,
    `# data         ${trainSamples} to train on, ${heldOut}${testSamples} to test on, each ${sample}`,
    `# parameters   ${formatCount(parameters)}${recipe.partition ? ', before the partition' : ''}`,
    `# MACs         ${formatCount(macs)} for ${sample}`,
    `# steps        ${totalSteps}: ${training.epochs} epochs of ${stepsPerEpoch}`,
    `# each step    ${samplesPerStep} samples${accumulation > 1 ? `: ${accumulation} batches of ${batchSize}` : ''}`,
  ]);
}
