/** `padnet mask show` and `padnet mask diff`: partitions as files of their own. */
import { formatCount, formatPercent } from '../report/format.js';
import { listing } from '../report/table.js';
import type { Mask } from '../partial/index.js';
import { comparePartitions, overallDynamicRatio, type Partition } from '../partition/index.js';
import { readPartition } from '../training/index.js';
import { type Command, jsonOption, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

export function register(mask: Command, terminal: Terminal): void {
  withExamples(mask, 'mask show runs/pad30', 'mask diff runs/pad30 runs/pad50');
  withExamples(mask.command('show'), 'mask show runs/pad30')
    .description('Print the dynamic ratio of every layer, and how the masks were found.')
    .argument('<masks>', 'file of a partition, or folder of a partitioned run')
    .addOption(jsonOption())
    .action((masks, { json }) => {
      showPartition(masks, json, terminal);
    });
  withExamples(mask.command('diff'), 'mask diff runs/pad30 runs/pad30/partition-0.5.safetensors')
    .description('Print, for every layer, how much of what is dynamic two partitions have in common.')
    .argument('<a>', 'file of a partition, or folder of a partitioned run')
    .argument('<b>', 'another one, of the same network')
    .addOption(jsonOption())
    .action((a, b, { json }) => {
      comparePartitionFiles(a, b, json, terminal);
    });
}

export function showPartition(path: string, json: boolean | undefined, terminal: Terminal): void {
  const { settings, rounds, masks } = readPartition(path);
  const dynamicRatio = overallDynamicRatio(masks.values());
  const layers = Array.from(masks, ([layer, { shape, size, count, dynamicRatio: ratio }]) => ({
    path: layer,
    shape,
    entries: size,
    dynamicEntries: count,
    dynamicRatio: ratio,
  }));
  const { ratio, saliency, granularity, unitSum = 'signed', scope, schedule, batches } = settings;
  const sum = unitSum === 'absolute' ? ', absolute values summed' : '';
  const entries = layers.reduce((sum, layer) => sum + layer.entries, 0);
  terminal.result(json, { settings, rounds, dynamicRatio, layers }, () => [
    `κ = ${ratio} by ${saliency} of each ${granularity}${sum}, ${scope}, on ${batches} batches`,
    `rounds (${schedule}): ${rounds.map((round) => formatPercent(round.dynamicRatio)).join(', ')}`,
    '',
    listing(
      [...layers, { path: 'total', shape: [], entries, dynamicRatio }],
      [
        { heading: 'layer', isName: true, cell: (layer) => layer.path },
        { heading: 'shape', isName: true, cell: (layer) => layer.shape.join('×') },
        { heading: '', isName: true, cell: (layer) => bar(layer.dynamicRatio) },
        { heading: 'entries', cell: (layer) => formatCount(layer.entries) },
        { heading: 'dynamic', cell: (layer) => formatPercent(layer.dynamicRatio) },
      ],
    ),
  ]);
}

function comparePartitionFiles(a: string, b: string, json: boolean | undefined, terminal: Terminal): void {
  const [first, second] = [readPartition(a), readPartition(b)];
  const layers = comparePartitions(first, second);
  const both = sum(first, (path, mask) => mask.overlap(second.masks.get(path)!));
  const either = sum(first, (_, mask) => mask.count) + sum(second, (_, mask) => mask.count) - both;
  const jaccard = either === 0 ? 1 : both / either;
  terminal.result(json, { a, b, jaccard, layers }, () => [
    listing(layers, [
      { heading: 'layer', isName: true, cell: (layer) => layer.path },
      { heading: '', isName: true, cell: (layer) => bar(layer.jaccard) },
      { heading: 'entries', cell: (layer) => formatCount(layer.size) },
      { heading: 'dynamic in a', cell: (layer) => formatPercent(layer.dynamicRatioA) },
      { heading: 'in b', cell: (layer) => formatPercent(layer.dynamicRatioB) },
      { heading: 'in common', cell: (layer) => formatPercent(layer.jaccard) },
    ]),
    '',
    `${formatPercent(jaccard)} of the entries that are dynamic in either are dynamic in both`,
  ]);
}

function sum({ masks }: Partition, count: (path: string, mask: Mask) => number): number {
  return Array.from(masks, ([path, mask]) => count(path, mask)).reduce((total, value) => total + value, 0);
}

function bar(fraction: number): string {
  const length = Math.round(fraction * 20);
  return '█'.repeat(length) + '·'.repeat(20 - length);
}
