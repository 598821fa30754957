import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import { channelStatistics } from './dataset.js';
import { FASHION_MNIST_PATH, loadFashionMnist } from './fashionMnist.js';
import { encodeIdx } from './idx.js';

const folder = mkdtempSync(join(tmpdir(), 'padnet-fashion-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('loadFashionMnist', () => {
  it.skipIf(!existsSync(FASHION_MNIST_PATH))('reads and verifies the Debian package', () => {
    const { train, test } = loadFashionMnist();
    expect([train.length, test.length, train.channels, train.height, train.width]).toEqual([60_000, 10_000, 1, 28, 28]);
    expect([...train.labels.subarray(0, 6)]).toEqual([9, 0, 0, 3, 0, 2]);
    expect(train.classNames[9]).toBe('Ankle boot');
    // The published statistics of the training pictures.
    const { mean, std } = channelStatistics(train);
    expect(mean[0]).toBeCloseTo(0.286, 4);
    expect(std[0]).toBeCloseTo(0.353, 4);
    const counts = new Array<number>(10).fill(0);
    test.labels.forEach((label) => counts[label]!++);
    expect(counts).toEqual(new Array<number>(10).fill(1000));
  });

  it('says where to get the files', () => {
    const load = () => loadFashionMnist({ path: join(folder, 'nowhere') });
    expect(load).toThrow(InputError);
    expect(load).toThrow(
      'nowhere: expected t10k-images-idx3-ubyte[.gz] or t10k-images-idx4-ubyte[.gz], there is no such folder; ' +
        'install it with `apt-get install dataset-fashion-mnist`, ' +
        'or set data.path to a folder with the four IDX files',
    );
  });

  it('refuses contents that are not Fashion-MNIST, naming the file and both checksums', () => {
    const file = join(folder, 't10k-images-idx3-ubyte');
    const bytes = encodeIdx({ shape: [1, 28, 28], data: new Uint8Array(784) });
    const checksum = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(file, bytes);
    writeFileSync(join(folder, 't10k-labels-idx1-ubyte'), encodeIdx({ shape: [1], data: new Uint8Array(1) }));
    const load = () => loadFashionMnist({ path: folder });
    expect(load).toThrow(InputError);
    expect(load).toThrow(
      `${file}: expected Fashion-MNIST's contents with SHA-256 5b4141f0afba…, found ${checksum.slice(0, 12)}…; ` +
        'get the file again',
    );
  });
});
