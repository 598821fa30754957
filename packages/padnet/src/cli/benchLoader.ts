/** `padnet bench loader`: how fast batches of pictures are prepared. */
import type { Command } from 'commander';
import { benchLoader } from '../bench/loader.js';
import { benchPictureLoader } from '../bench/pictureLoader.js';
import { formatBytes, formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { describeEnvironment } from '../runs/index.js';
import { wholeNumber, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

interface Options {
  readonly files?: boolean;
  readonly workers: readonly number[];
  readonly images?: number;
  readonly batch: number;
  readonly repeats: number;
  readonly json?: boolean;
}

export function registerLoader(bench: Command, terminal: Terminal): void {
  const whole = wholeNumber(0);
  const command = bench
    .command('loader')
    .description(
      'Measure how fast pictures (28×28, cropped, flipped, normalised) are prepared, by number of worker threads.',
    )
    .option('--files', 'JPEG files of 500×375 instead, to random crops of 224×224, beside what sharp does alone')
    .option('--workers <numbers>', 'numbers of worker threads', (text) => text.split(',').map(whole), [0, 1, 2])
    .option('--images <number>', 'pictures in an epoch (default: 20000, files 8000)', wholeNumber(2))
    .option('--batch <number>', 'pictures in a batch', wholeNumber(1), 128)
    .option('--repeats <number>', 'epochs of each, in turns', wholeNumber(1), 3)
    .option('--json', 'print the result as JSON')
    .action((options: Options) => (options.files ? benchFiles(options, terminal) : benchStored(options, terminal)));
  withExamples(command, 'bench loader --workers 0,1,2', 'bench loader --files --workers 1');
}

async function benchStored(
  { workers, images = 20_000, batch, repeats, json }: Options,
  terminal: Terminal,
): Promise<void> {
  const results = await benchLoader({ workers, images, batchSize: batch, repeats });
  if (json) {
    terminal.printJson({ images, batch, results });
    return;
  }
  const rows = results.map((result) => [
    String(result.workers),
    String(Math.round(result.imagesPerSecond)),
    formatPercent(result.spread),
  ]);
  terminal.print(alignGrid({ heading: ['workers', 'images/s', 'spread'], rows, leftColumns: 0 }));
}

async function benchFiles(
  { workers, images = 8000, batch, repeats, json }: Options,
  terminal: Terminal,
): Promise<void> {
  const measured = await benchPictureLoader({ workers, images, batchSize: batch, repeats });
  if (json) {
    terminal.printJson({ images, batch, ...measured, environment: describeEnvironment() });
    return;
  }
  const { bytesPerPicture, sharp, results, residentBytes } = measured;
  const row = (name: string, { imagesPerSecond, spread }: typeof sharp, ratio: number): string[] => [
    name,
    String(Math.round(imagesPerSecond)),
    formatPercent(spread),
    ratio.toFixed(2),
  ];
  const rows = [
    row('sharp alone', sharp, 1),
    ...results.map((each) =>
      row(`${each.workers} ${each.workers === 1 ? 'worker' : 'workers'}`, each, each.ratioToSharp),
    ),
  ];
  terminal.print(`${images} JPEGs of 500×375, ${formatBytes(bytesPerPicture)} each, to 224×224\n`);
  terminal.print(alignGrid({ heading: ['', 'images/s', 'spread', '× sharp'], rows, leftColumns: 1 }));
  terminal.print(`\nresident memory after each round: ${residentBytes.map(formatBytes).join(', ')}`);
}
