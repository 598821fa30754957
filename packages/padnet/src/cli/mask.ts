/** `padnet mask show` and `padnet mask diff`: partitions as files of their own. */
import type { Command } from 'commander';
import { formatCount, formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import type { Mask } from '../partial/index.js';
import { comparePartitions, overallDynamicRatio, type Partition } from '../partition/index.js';
import { readPartition } from '../training/index.js';
import { withExamples } from './options.js';
import type { Terminal } from './terminal.js';

interface MaskOptions {
  readonly json?: boolean;
}

export function register(mask: Command, terminal: Terminal): void {
  const show = mask
    .command('show')
    .description('Print the dynamic ratio of every layer, and how the masks were found.')
    .argument('<masks>', 'file of a partition, or folder of a partitioned run')
    .option('--json', 'print the result as JSON')
    .action((masks: string, { json = false }: MaskOptions) => {
      showPartition(masks, json, terminal);
    });
  const diff = mask
    .command('diff')
    .description('Print, for every layer, how much of what is dynamic two partitions have in common.')
    .argument('<a>', 'file of a partition, or folder of a partitioned run')
    .argument('<b>', 'another one, of the same network')
    .option('--json', 'print the result as JSON')
    .action((a: string, b: string, { json = false }: MaskOptions) => {
      comparePartitionFiles(a, b, json, terminal);
    });
  withExamples(show, 'mask show runs/pad30');
  withExamples(diff, 'mask diff runs/pad30 runs/pad30/partition-0.5.safetensors');
  withExamples(mask, 'mask show runs/pad30', 'mask diff runs/pad30 runs/pad50');
}

export function showPartition(path: string, json: boolean, terminal: Terminal): void {
  const { settings, rounds, masks } = readPartition(path);
  const dynamicRatio = overallDynamicRatio(masks.values());
  const layers = Array.from(masks, ([layer, { shape, size, count, dynamicRatio: ratio }]) => ({
    path: layer,
    shape,
    entries: size,
    dynamicEntries: count,
    dynamicRatio: ratio,
  }));
  if (json) {
    terminal.printJson({ settings, rounds, dynamicRatio, layers });
    return;
  }
  const { ratio, saliency, granularity, scope, schedule, batches } = settings;
  const rows = layers.map((layer) => [
    layer.path,
    layer.shape.join('×'),
    bar(layer.dynamicRatio),
    formatCount(layer.entries),
    formatPercent(layer.dynamicRatio),
  ]);
  const entries = layers.reduce((sum, layer) => sum + layer.entries, 0);
  rows.push(['total', '', bar(dynamicRatio), formatCount(entries), formatPercent(dynamicRatio)]);
  terminal.print(
    [
      `κ = ${ratio} by ${saliency} of each ${granularity}, ${scope}, on ${batches} batches`,
      `rounds (${schedule}): ${rounds.map((round) => formatPercent(round.dynamicRatio)).join(', ')}`,
      '',
      alignGrid({ heading: ['layer', 'shape', '', 'entries', 'dynamic'], rows, leftColumns: 3 }),
    ].join('\n'),
  );
}

function comparePartitionFiles(a: string, b: string, json: boolean, terminal: Terminal): void {
  const [first, second] = [readPartition(a), readPartition(b)];
  const layers = comparePartitions(first, second);
  const both = sum(first, (path, mask) => mask.overlap(second.masks.get(path)!));
  const either = sum(first, (_, mask) => mask.count) + sum(second, (_, mask) => mask.count) - both;
  const jaccard = either === 0 ? 1 : both / either;
  if (json) {
    terminal.printJson({ a, b, jaccard, layers });
    return;
  }
  const rows = layers.map(({ path, size, dynamicRatioA, dynamicRatioB, jaccard: common }) => [
    path,
    bar(common),
    formatCount(size),
    formatPercent(dynamicRatioA),
    formatPercent(dynamicRatioB),
    formatPercent(common),
  ]);
  const heading = ['layer', '', 'entries', 'dynamic in a', 'in b', 'in common'];
  terminal.print(alignGrid({ heading, rows, leftColumns: 2 }));
  terminal.print(`\n${formatPercent(jaccard)} of the entries that are dynamic in either are dynamic in both`);
}

function sum({ masks }: Partition, count: (path: string, mask: Mask) => number): number {
  return Array.from(masks, ([path, mask]) => count(path, mask)).reduce((total, value) => total + value, 0);
}

function bar(fraction: number): string {
  const length = Math.round(fraction * 20);
  return '█'.repeat(length) + '·'.repeat(20 - length);
}
