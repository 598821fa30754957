/** Anything but a regular file is refused by name, and nobody waits for it; nonsense is named before it is learnt. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encodeIdx } from 'padnet/data';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { padnet, tinyRecipe, writePictures } from '../padnetProcess.js';

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-files-'));
  writePictures(join(cwd, 'pictures'));
  writeFileSync(join(cwd, 'static.yaml'), tinyRecipe('static'));
  for (const name of ['pipe', 'pipe.yaml', 'pipe.pth', 'pipe.safetensors']) execFileSync('mkfifo', [join(cwd, name)]);
  writeOddPictures();
  for (const name of ['classes', 'images', 'run', 'network', 'encoder']) mkdirSync(join(cwd, name));
  writePictures(join(cwd, 'classes'));
  execFileSync('mkfifo', [join(cwd, 'classes/classes.txt')]);
  writePictures(join(cwd, 'images'));
  rmSync(join(cwd, 'images/train-images-idx3-ubyte'));
  execFileSync('mkfifo', [join(cwd, 'images/train-images-idx3-ubyte')]);
  execFileSync('mkfifo', [
    join(cwd, 'run/recipe.yaml'),
    join(cwd, 'network/model.json'),
    join(cwd, 'encoder/config.json'),
  ]);
});
/** IDX pictures of which one label is 255, and of which the pictures are gzipped zeros that promise gigabytes. */
function writeOddPictures(): void {
  for (const name of ['labels', 'bomb']) writePictures(join(cwd, name));
  const labels = Uint8Array.from({ length: 96 }, (_, index) => (index === 5 ? 255 : index % 4));
  writeFileSync(join(cwd, 'labels/train-labels-idx1-ubyte'), encodeIdx({ shape: [96], data: labels }));
  const header = Buffer.from('00000803' + '00400000' + '0000001c' + '0000001c', 'hex');
  rmSync(join(cwd, 'bomb/train-images-idx3-ubyte'));
  writeFileSync(join(cwd, 'bomb/train-images-idx3-ubyte.gz'), gzipSync(Buffer.concat([header, Buffer.alloc(2 ** 22)])));
  writeFileSync(
    join(cwd, 'bomb/train-labels-idx1-ubyte'),
    encodeIdx({ shape: [2 ** 22], data: new Uint8Array(2 ** 22) }),
  );
}

afterAll(() => {
  rmSync(cwd, { recursive: true });
});

const isPipe = 'it is a named pipe, not a file';

describe('what cannot be read, or should not', () => {
  it.each<[command: string, message: string]>([
    ['train /dev/zero', '/dev/zero: expected a recipe, but it is a device, not a file'],
    ['train pipe', `pipe: expected a recipe, but ${isPipe}`],
    ['train .', '.: expected a recipe, but it is a folder'],
    ['ablate pipe', `pipe: expected an ablation, but ${isPipe}`],
    ['inspect pipe.yaml', `pipe.yaml: expected a recipe, but ${isPipe}`],
    ['inspect pipe.safetensors', `pipe.safetensors: expected tensors, but ${isPipe}`],
    ['inspect run', `run/recipe.yaml: expected the recipe of a run, but ${isPipe}`],
    ['inspect network', `network/model.json: expected the description of a network, but ${isPipe}`],
    [
      'inspect encoder',
      `encoder/config.json: expected the configuration in the folder of a Hugging Face model, but ${isPipe}`,
    ],
    ['mask show pipe', `pipe: expected a partition, but ${isPipe}`],
    ['train --resume run', `run/recipe.yaml: expected the recipe of a run, but ${isPipe}`],
    ['train static.yaml --set data.path=classes', `classes/classes.txt: expected names of classes, but ${isPipe}`],
    ['train static.yaml --set data.path=images', `images/train-images-idx3-ubyte: expected an IDX file, but ${isPipe}`],
    [
      'train static.yaml --set data.path=labels',
      'labels/train-labels-idx1-ubyte: labels go up to 255, but only 5 of these 256 classes have a picture, class 4 ' +
        'has none',
    ],
    [
      'train static.yaml --set data.path=bomb',
      'bytes cannot hold the 3288334352 that its header announces); get the file again',
    ],
    ['train static.yaml --set model.pretrained=pipe.pth', `pipe.pth: expected weights, but ${isPipe}`],
  ])('%s', async (command, message) => {
    const { code, stderr } = await padnet(command.split(' '), { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});
