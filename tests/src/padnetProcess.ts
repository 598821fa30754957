/** `padnet` as a process, as users and scripts start it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeIdx } from 'padnet/data';

export const program = fileURLToPath(new URL('../../packages/padnet/bin/padnet.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  readonly cwd: string;
  /** Called with each line of stdout as it comes. */
  readonly onLine?: (line: string, child: ChildProcess) => void;
  /** Called once it is started. */
  readonly onStart?: (child: ChildProcess) => void;
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** The text that it reads from standard input. */
  readonly input?: string;
  /** In a process group of its own, for `killAll`. */
  readonly ownGroup?: boolean;
}

export function padnet(
  parameters: readonly string[],
  { cwd, env, onLine, onStart, input, ownGroup = false }: ProcessOptions,
): Promise<Finished> {
  const child = spawn(process.execPath, [program, ...parameters], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: ownGroup,
  });
  child.stdin.end(input);
  onStart?.(child);
  let [stdout, stderr, line] = ['', '', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    const lines = (line + text).split('\n');
    line = lines.pop()!;
    for (const whole of lines) onLine?.(whole, child);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

/** Sends a signal to a command of a group of its own, and to the process that trains for it, at once. */
export function killAll(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended
  }
}

/** A folder of IDX pictures, 8 × 8, of four classes that differ in which quarter is bright. */
export function writePictures(folder: string, { train = 96, test = 40 } = {}): void {
  mkdirSync(folder, { recursive: true });
  for (const [split, length] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const labels = Uint8Array.from({ length }, (_, index) => index % 4);
    const images = Uint8Array.from({ length: length * 64 }, (_, position) => {
      const [example, row, column] = [Math.floor(position / 64), Math.floor(position / 8) % 8, position % 8];
      const quarter = 2 * Math.floor(row / 4) + Math.floor(column / 4);
      const noise = (Math.imul(position + (split === 'train' ? 1 : 7919), 2654435761) >>> 24) / 4;
      return noise + (quarter === labels[example] ? 150 : 30);
    });
    writeFileSync(join(folder, `${split}-images-idx3-ubyte`), encodeIdx({ shape: [length, 8, 8], data: images }));
    writeFileSync(join(folder, `${split}-labels-idx1-ubyte`), encodeIdx({ shape: [length], data: labels }));
  }
}

/** The kind of a network's layers, by the name of the network. */
const layers = { static: 'static', dyconv: 'dynamic', pad: 'partial' } as const;

/** A recipe that trains in about a second. */
export function tinyRecipe(network: keyof typeof layers, { epochs = 2 } = {}): string {
  return `
model:
  name: resnet10
  layer: ${layers[network]}
  stem: small
  width: 8
data:
  name: idx
  path: pictures
  batchSize: 16
  numWorkers: 0
training:
  epochs: ${epochs}
  learningRate: 0.05
${network === 'pad' ? 'partition:\n  ratio: 0.3\n  rounds: 2\n  batches: 2' : ''}
`;
}

/** Checksum of every file below a folder, by path; links are not followed. */
export function checksums(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => lstatSync(file).isFile());
  return new Map(files.map((file) => [file, createHash('sha256').update(readFileSync(file)).digest('hex')]));
}
