/**
 * A folder as the documentation has it in mind: data, weights and finished runs under the names that pages use, all
 * tiny.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { manualSeed, scope, type Tensor } from '@padnet/torch';
import AdmZip from 'adm-zip';
import { createModel, modelSchema } from 'padnet';
import { glueTaskNames, glueTasks } from 'padnet/data';
import sharp from 'sharp';
import { root } from '../projectFiles.js';
import { writeTinyEncoder } from '../tinyGlue.js';

/** Everything but runs, which `padnet` makes. */
export async function writeInputs(folder: string): Promise<void> {
  for (const name of ['packages/padnet/recipes', 'examples', '.gitignore', '.prettierignore'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync('packages/padnet/recipes', join(folder, 'recipes'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(
    join(folder, 'recipe.yaml'),
    readFileSync(join(root, 'packages/padnet/recipes/fashion-mnist/pad30.yaml')),
  );
  for (const name of ['pretrained/all-MiniLM-L6-v2', 'folder', 'bert-base-uncased'])
    writeTinyEncoder(join(folder, name), { layers: 6 });
  writeTinyEncoder(join(folder, 'FOLDER'), { layers: 6 });
  writeGlue(join(folder, 'FOLDER_OF_GLUE'));
  symlinkSync('FOLDER_OF_GLUE', join(folder, 'glue'));
  await writePhotos(join(folder, 'pictures'), ['train', 'val'], ['cat', 'dog']);
  cpSync(join(folder, 'pictures'), join(folder, 'FOLDER'), { recursive: true });
  await writePhotos(folder, ['photos', 'new-photos'], ['ants', 'bees']);
  for (const name of ['a.jpg', 'b.png', 'new.jpg', 'another.jpg', 'photos/ants/0013035.jpg'])
    cpSync(join(folder, 'photos/ants/0.jpg'), join(folder, name));
  writeFileSync(join(folder, 'pairs.tsv'), 'good film\tfine film\nbad plot\tgood plot\n');
  writeTexts(folder);
  writeFileSync(join(folder, 'resnet18.pth'), torchFile(resnet18()));
}

/** Reviews of three classes, and pairs with a number. */
function writeTexts(folder: string): void {
  const table = (header: string, row: (index: number) => string): string =>
    `${[header, ...Array.from({ length: 30 }, (_, index) => row(index))].join('\n')}\n`;
  const words = ['good film', 'bad plot', 'nice cast'];
  const reviews = table(
    'text,label',
    (row) => `"${words[row % 3]!}, ${words[row % 2]!}",${['praise', 'blame', 'mixed'][row % 3]!}`,
  );
  for (const name of ['reviews.csv', 'new-reviews.csv']) writeFileSync(join(folder, name), reviews);
  writeFileSync(
    join(folder, 'similar.csv'),
    table('a,b,score', (row) => `${words[row % 3]!},${words[row % 2]!},${row % 6}`),
  );
}

/** Two rows a task that the documentation trains, under the columns that GLUE's files have. */
function writeGlue(folder: string): void {
  for (const name of glueTaskNames) {
    const { folder: task, first, second, label, labels, headerless, mismatchedSubmission } = glueTasks[name];
    mkdirSync(join(folder, task), { recursive: true });
    const columns = headerless ?? ['index', first, ...(second === null ? [] : [second]), label];
    const row = (index: number, isTest: boolean): string =>
      columns
        .filter((column) => !isTest || column !== label)
        .map((column) => {
          if (column === label) return labels ? labels[index % labels.length]! : String(index % 5);
          if (column === first) return index % 2 === 0 ? 'good film' : 'bad plot';
          return column === second ? 'nice cast' : String(index);
        })
        .join('\t');
    for (const split of mismatchedSubmission === null
      ? ['train', 'dev', 'test']
      : ['train', 'dev_matched', 'test_matched']) {
      const isTest = split.startsWith('test');
      const named = isTest ? ['index', first, ...(second === null ? [] : [second])] : columns;
      const header = headerless && !isTest ? [] : [named.join('\t')];
      const rows = Array.from({ length: 24 }, (_, index) =>
        isTest && headerless ? `${index}\tgood film` : row(index, isTest),
      );
      writeFileSync(join(folder, task, `${split}.tsv`), `${[...header, ...rows].join('\n')}\n`);
    }
  }
}

/** JPEG files of one colour a class, under noise. */
export async function writePhotos(
  folder: string,
  splits: readonly string[],
  classes: readonly string[],
): Promise<void> {
  for (const split of splits) {
    for (const [label, name] of classes.entries()) {
      mkdirSync(join(folder, split, name), { recursive: true });
      for (let index = 0; index < 8; index++) {
        const create = { width: 48, height: 40, channels: 3 as const, background: label === 0 ? '#a33' : '#33a' };
        const noise = { type: 'gaussian' as const, mean: 128, sigma: 30 };
        const picture = sharp({ create: { ...create, noise } })
          .tint(create.background)
          .jpeg();
        writeFileSync(join(folder, split, name, `${index}.jpg`), await picture.toBuffer());
      }
    }
  }
}

function resnet18(): ReadonlyMap<string, Tensor> {
  manualSeed(1);
  return createModel(modelSchema.parse({ name: 'resnet18' }), { inChannels: 3, numClasses: 2 }).stateDict();
}

/**
 * The file that `torch.save` writes of a dictionary of float tensors: a ZIP archive with a pickle and the numbers.
 *
 * @param isNegated marks the tensors as lazily negated: their numbers are those stored, with the other sign
 */
export function torchFile(state: ReadonlyMap<string, Tensor>, { isNegated = false } = {}): Buffer {
  const zip = new AdmZip();
  const add = (name: string, bytes: Buffer): void => {
    zip.addFile(`archive/${name}`, bytes);
    zip.getEntry(`archive/${name}`)!.header.method = 0; // stored
  };
  const int = (value: number): Buffer => Buffer.concat([Buffer.from('J'), littleEndian(value)]);
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.from('X'), littleEndian(value.length), Buffer.from(value)]);
  const tuple = (...parts: Buffer[]): Buffer => Buffer.concat([Buffer.from('('), ...parts, Buffer.from('t')]);
  const global = (name: string): Buffer => Buffer.from(`c${name.replace(/\.(?=\w+$)/, '\n')}\n`);
  const negated = Buffer.concat([Buffer.from('}'), text('neg'), Buffer.from([0x88]), Buffer.from('s')]);
  const items = [...state].filter(([, value]) => value.dtype === 'float32');
  const entries = items.map(([name, value], index) => {
    scope(() => {
      add(`data/${index}`, Buffer.from(new Float32Array(value.toArray()).buffer));
    });
    const { shape, numel } = value;
    const strides = shape.map((_, dim) => shape.slice(dim + 1).reduce((product, size) => product * size, 1));
    const storage = tuple(text('storage'), global('torch.FloatStorage'), text(String(index)), text('cpu'), int(numel));
    const noHooks = Buffer.concat([global('collections.OrderedDict'), Buffer.from(')R')]);
    const values = tuple(
      ...[Buffer.concat([storage, Buffer.from('Q')]), int(0), tuple(...shape.map(int)), tuple(...strides.map(int))],
      ...[Buffer.from([0x89]), noHooks, ...(isNegated ? [negated] : [])],
    );
    return Buffer.concat([text(name), global('torch._utils._rebuild_tensor_v2'), values, Buffer.from('R')]);
  });
  add('data.pkl', Buffer.concat([Buffer.from([0x80, 2]), Buffer.from('}('), ...entries, Buffer.from('u.')]));
  add('version', Buffer.from('3\n'));
  return zip.toBuffer();
}

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** Runs and networks that pages speak of as if they were there, as `padnet` commands. */
export const runCommands: readonly string[] = [
  'train recipes/fashion-mnist/static.yaml --out runs/static',
  'train recipes/fashion-mnist/dyconv.yaml --out runs/dyconv',
  'train recipes/fashion-mnist/pad30.yaml --out runs/pad30',
  'train recipes/fashion-mnist/pad30.yaml --seed 2 --out runs/pad30-seed2',
  'train recipes/fashion-mnist/pad30.yaml --set partition.ratio=0.5 --out runs/pad50',
  'train recipes/photos/small-pad30.yaml --set data.path=photos --out runs/small-pad30',
  ...['static', 'dynamic', 'partial'].map((layer) => {
    const name = { static: 'rte-static', dynamic: 'rte-moe', partial: 'rte-pad50' }[layer]!;
    const other = layer === 'partial' ? '' : ` --set model.layer=${layer} --set partition=null`;
    return `train recipes/glue/rte-pad50.yaml --set data.path=FOLDER_OF_GLUE${other} --out runs/${name}`;
  }),
];

/** Answers for every model with the same small encoder, so that nothing is downloaded. */
export function serveHub(encoder: string): Promise<Server> {
  const files = new Map(readdirSync(encoder).map((name) => [name, readFileSync(join(encoder, name))]));
  const server = createServer((request, response) => {
    const file = files.get(/\/resolve\/[^/]+\/([^/?]+)$/.exec(request.url ?? '')?.[1] ?? '');
    response.writeHead(file ? 200 : 404, { 'content-length': file?.length ?? 0 });
    response.end(request.method === 'HEAD' ? undefined : file);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve(server);
    });
  });
}

/** So that what commands leave behind shows. */
export function commitInputs(folder: string): void {
  const git = (...parameters: string[]): void => {
    execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@example', ...parameters], { cwd: folder });
  };
  git('init', '--quiet');
  git('add', '--all');
  git('commit', '--quiet', '--message', 'inputs');
}

/** Files that are neither committed nor ignored, or have been changed. */
export function leftovers(folder: string): string[] {
  const output = execFileSync('git', ['status', '--porcelain', '--untracked-files=all'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return output.split('\n').filter((line) => line !== '');
}
