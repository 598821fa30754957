/** `padnet bench layer`: one convolution, or every distinct one of a network, by every plan. */
import { nn } from '@padnet/torch';
import { Option, type Command } from 'commander';
import { type NetworkConvolution, networkConvolutions } from '../bench/benchNetwork.js';
import { benchLayer, type ConvolutionKind, type LayerCost, type LayerCosts, type PassCost } from '../bench/layer.js';
import { convolutionPlans, type ConvolutionPlan } from '../compute/convolutionPlan.js';
import { formatBytes, formatPercent, formatRatio, formatSeconds } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { modelNames } from '../models/index.js';
import { describeEnvironment } from '../runs/index.js';
import { withThreadsAndJson } from './benchNetwork.js';
import { fraction, listOf, oneOf, wholeNumber, withExamples } from './options.js';
import { roofCells, roofHeading, roofNote } from './roofColumns.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

const kinds = ['static', 'dyconv', 'pad', 'pad-filter'] as const satisfies readonly ConvolutionKind[];
const memoryFormats = ['contiguous', 'channels_last'] as const;

interface LayerOptions {
  readonly model?: (typeof modelNames)[number];
  readonly in: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly groups: number;
  readonly size?: number;
  readonly batch: number;
  readonly kernels: number;
  readonly ratio: number;
  readonly layer: readonly ConvolutionKind[];
  readonly plan: readonly ConvolutionPlan[];
  readonly memoryFormat: (typeof memoryFormats)[number];
  readonly repeats: number;
  readonly threads: number;
  readonly json?: boolean;
}

export function registerLayer(bench: Command, terminal: Terminal): void {
  const command = bench
    .command('layer')
    .description(
      'Measure one convolution, forward and backward and forward alone: static, dynamic and partial (with their router), by ' +
        'every plan that the layer has, in one process, in turns. With --model, every ' +
        'distinct convolution of a network.',
    )
    .addOption(
      new Option('--model <name>', `of this network instead: ${modelNames.join(', ')}`)
        .argParser(oneOf(modelNames))
        .conflicts(['in', 'out', 'kernel', 'stride', 'groups']),
    )
    .option('--in <number>', 'input channels', wholeNumber(1), 128)
    .option('--out <number>', 'output channels', wholeNumber(1), 128)
    .option('--kernel <number>', 'side of the kernel', wholeNumber(1), 3)
    .option('--stride <number>', 'stride', wholeNumber(1), 1)
    .option('--groups <number>', 'groups', wholeNumber(1), 1)
    .option('--size <pixels>', 'side of the input (28), or of the pictures of --model (224)', wholeNumber(1))
    .option('--batch <number>', 'samples', wholeNumber(1), 16)
    .option('--kernels <number>', 'K, entries of the bank', wholeNumber(1), 4)
    .option('--ratio <number>', 'dynamic ratio of pad and pad-filter', fraction, 0.3)
    .option('--layer <names>', kinds.join(', '), listOf(kinds), [...kinds])
    .option('--plan <names>', convolutionPlans.join(', '), listOf(convolutionPlans), [...convolutionPlans])
    .option('--memory-format <name>', memoryFormats.join(' or '), oneOf(memoryFormats), 'channels_last')
    .option('--repeats <number>', 'rounds', wholeNumber(1), 9)
    .action((options: LayerOptions) => {
      benchLayers(options, terminal);
    });
  withThreadsAndJson(command);
  withExamples(
    command,
    'bench layer --in 512 --out 512 --size 7 --batch 16 --ratio 0.3',
    'bench layer --model resnet18 --size 224 --batch 16 --plan fused',
  );
}

interface MeasuredConvolution extends NetworkConvolution, LayerCosts {}

function benchLayers(options: LayerOptions, terminal: Terminal): void {
  const { json, model, layer, plan, kernels, batch, ratio, memoryFormat, repeats, threads } = options;
  const convolutions: MeasuredConvolution[] = [];
  for (const convolution of chooseConvolutions(options)) {
    if (terminal.closed.aborted) return;
    const { geometry, size } = convolution;
    if (model && terminal.isInteractive && !json) terminal.remark(describeConvolution(convolution));
    const costs = benchLayer({
      geometry,
      size,
      batch,
      numKernels: kernels,
      ratio,
      layers: layer,
      plans: plan,
      memoryFormat,
      repeats,
      threads,
      ...(convolutions[0] && { peaks: convolutions[0].peaks }),
    });
    convolutions.push({ ...convolution, ...costs });
  }
  if (json) {
    const environment = { ...describeEnvironment(), threads };
    const settings = { model: model ?? null, batch, numKernels: kernels, ratio, memoryFormat, threads };
    terminal.printJson({ ...settings, convolutions, environment });
    return;
  }
  const conditions = `batch ${batch}, K = ${kernels}, κ = ${ratio}, ${threads} threads, medians of ${repeats}`;
  if (model) {
    terminal.print(`${model}, forward and backward, × static, ${conditions}\n`);
    terminal.print(networkTable(convolutions));
    return;
  }
  for (const convolution of convolutions) {
    terminal.print(`${describeConvolution(convolution)}, ${conditions}\n`);
    terminal.print(layerTable(convolution));
    const work = { arithmetic: "the static convolution's arithmetic", moved: 'weights and maps' };
    terminal.print(`\n${roofNote(convolution.peaks, work)}`);
  }
}

function chooseConvolutions(options: LayerOptions): NetworkConvolution[] {
  const { model, in: inChannels, out: outChannels, kernel, stride, groups, size, batch } = options;
  if (model) {
    const shape = {
      model,
      stem: 'imagenet',
      width: null,
      inChannels: 3,
      numClasses: 1000,
      size: size ?? 224,
      batch,
    } as const;
    return networkConvolutions(shape);
  }
  if (inChannels % groups !== 0 || outChannels % groups !== 0)
    throw new UsageError(`--groups: ${groups} does not divide ${inChannels} and ${outChannels} channels`);
  const padding = Math.floor((kernel - 1) / 2);
  const geometry = nn.conv2dGeometry({ inChannels, outChannels, kernelSize: kernel, stride, padding, groups });
  return [{ geometry, size: size ?? 28, count: 1 }];
}

function layerTable({ results }: MeasuredConvolution): string {
  const rows = results.map(({ layer, plan, forwardBackward, forward, peakMemoryBytes }) => [
    layer,
    plan ?? 'libtorch',
    ...[forwardBackward, forward].flatMap((cost) => [
      formatSeconds(cost.seconds),
      formatRatio(cost.ratioToStatic),
      ...roofCells(cost),
      formatPercent(cost.spread),
    ]),
    formatBytes(peakMemoryBytes),
  ]);
  const heading = [
    'layer',
    'plan',
    ...['forward + backward', 'forward'].flatMap((pass) => [pass, '× static', ...roofHeading, 'spread']),
    'peak memory',
  ];
  return alignGrid({ heading, rows, leftColumns: 2 });
}

/** A row a convolution, and one of all of them as often as the network has them; a plan that one has not is `–` there. */
function networkTable(convolutions: readonly MeasuredConvolution[]): string {
  const name = ({ layer, plan }: LayerCost): string => (plan === null || plan === 'fused' ? layer : `${layer} ${plan}`);
  const names = [...new Set(convolutions.flatMap(({ results }) => results.map(name)))];
  const costOf = ({ results }: MeasuredConvolution, column: string): PassCost | null =>
    results.find((cost) => name(cost) === column)?.forwardBackward ?? null;
  const cell = (column: string, seconds: number | null, ratioToStatic: number | null): string =>
    column !== 'static' && names.includes('static') ? formatRatio(ratioToStatic) : formatSeconds(seconds);
  const rows = convolutions.map((convolution) => [
    describeConvolution(convolution),
    String(convolution.count),
    ...names.map((column) => {
      const cost = costOf(convolution, column);
      return cell(column, cost?.seconds ?? null, cost?.ratioToStatic ?? null);
    }),
  ]);
  const total = (column: string): number | null => {
    const seconds = convolutions.map((convolution) => costOf(convolution, column)?.seconds ?? NaN);
    const sum = seconds.reduce((all, value, index) => all + convolutions[index]!.count * value, 0);
    return Number.isNaN(sum) ? null : sum;
  };
  const fixed = total('static');
  const totals = names.map((column) => {
    const sum = total(column);
    return cell(column, sum, sum && fixed && sum / fixed);
  });
  const layers = convolutions.reduce((sum, { count }) => sum + count, 0);
  rows.push(['all', String(layers), ...totals]);
  return alignGrid({ heading: ['convolution', 'layers', ...names], rows, leftColumns: 1 });
}

/** `128 → 128, 3×3, stride 2, 28²` */
function describeConvolution({
  geometry,
  size,
}: {
  readonly geometry: nn.Conv2dGeometry;
  readonly size: number;
}): string {
  const { inChannels, outChannels, kernelSize, stride, groups } = geometry;
  const parts = [`${inChannels} → ${outChannels}`, kernelSize.join('×')];
  if (stride[0] > 1) parts.push(`stride ${stride[0]}`);
  if (groups > 1) parts.push(groups === inChannels ? 'depth-wise' : `${groups} groups`);
  return [...parts, `${size}²`].join(', ');
}
