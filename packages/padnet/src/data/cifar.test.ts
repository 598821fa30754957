import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import { type CifarName, loadCifar } from './cifar.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-cifar-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** One record: its label bytes, then pixels of which each is `start` more than its place. */
function record(labels: readonly number[], start: number): Uint8Array {
  return Uint8Array.from([...labels, ...Array.from({ length: 3072 }, (_, place) => (place + start) % 256)]);
}

function write(name: string, ...records: readonly Uint8Array[]): void {
  const bytes = Buffer.concat(records);
  writeFileSync(join(folder, name), name.endsWith('.gz') ? gzipSync(bytes) : bytes);
}

function expectError(name: CifarName, message: string): void {
  const load = () => loadCifar(name, { path: folder });
  expect(load).toThrow(InputError);
  expect(load).toThrow(message);
}

describe('CIFAR-10', () => {
  const names = 'airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n';

  it('joins the training files that are there, plain and gzipped', () => {
    write('data_batch_1.bin.gz', record([3], 0), record([9], 1));
    write('data_batch_4.bin', record([0], 2));
    write('test_batch.bin', record([7], 5));
    writeFileSync(join(folder, 'batches.meta.txt'), names);
    const { train, test } = loadCifar('cifar10', { path: folder });
    expect(train).toMatchObject({ name: 'cifar-10/train', length: 3, channels: 3, height: 32, width: 32 });
    expect([...train.labels]).toEqual([3, 9, 0]);
    expect([0, 1, 3071, 3072, 6144].map((place) => train.images[place])).toEqual([0, 1, 255, 1, 2]);
    expect(train.classNames[9]).toBe('truck');
    expect([...test.labels]).toEqual([7]);
    expect([...test.images]).toEqual([...record([7], 5).subarray(1)]);
  });

  it('numbers the classes where nothing names them', () => {
    write('data_batch_1.bin', record([3], 0));
    write('test_batch.bin', record([7], 5));
    expect(loadCifar('cifar10', { path: folder }).test.classNames).toEqual(Array.from('0123456789'));
  });

  it('names what is missing, cut off or damaged', () => {
    expectError('cifar10', `${folder}: expected test_batch.bin[.gz], it is not there; set data.path to a folder with`);
    write('test_batch.bin', record([7], 5));
    expectError('cifar10', `${folder}: expected data_batch_1.bin[.gz], it is not there`);
    write('data_batch_1.bin', record([3], 0), record([9], 1).subarray(0, 3000));
    expectError(
      'cifar10',
      'data_batch_1.bin: expected records of 3073 bytes, found 6073 bytes, which are 1 records and 3000 bytes',
    );
    write('data_batch_1.bin');
    expectError('cifar10', 'data_batch_1.bin: expected records of 3073 bytes, found 0 bytes');
    write('data_batch_1.bin', record([3], 0), record([10], 1));
    expectError('cifar10', 'data_batch_1.bin: the label of record 1 is 10, expected a number below 10');
    rmSync(join(folder, 'data_batch_1.bin'));
    writeFileSync(join(folder, 'data_batch_2.bin.gz'), gzipSync(record([3], 0)).subarray(0, 100));
    expectError('cifar10', 'data_batch_2.bin.gz: the gzip data are cut off or damaged');
    const bomb = gzipSync(Buffer.alloc(10_000 * 3073 + 1));
    writeFileSync(join(folder, 'data_batch_2.bin.gz'), bomb);
    expectError(
      'cifar10',
      'data_batch_2.bin.gz: expected at most 10000 records of CIFAR-10, 30730000 bytes, found more',
    );
    write('data_batch_2.bin.gz', record([3], 0));
    writeFileSync(join(folder, 'batches.meta.txt'), 'airplane\n');
    expectError('cifar10', 'batches.meta.txt: expected the names of 10 classes, found 1');
    rmSync(folder, { recursive: true });
    expectError('cifar10', 'there is no such folder');
    writeFileSync(folder, '');
  });

  const shared = '../shared/data/cifar-10-batches-bin';
  it.skipIf(!existsSync(shared))('reads real pictures, as many of each class', () => {
    const { train, test } = loadCifar('cifar10', { path: shared });
    expect([train.length, test.length]).toEqual([20_000, 10_000]);
    const counts = new Array<number>(10).fill(0);
    train.labels.forEach((label) => counts[label]!++);
    expect(counts).toEqual(new Array<number>(10).fill(2000));
  });
});

it('reads CIFAR-100 by its fine labels', () => {
  write('train.bin', record([4, 99], 0));
  write('test.bin', record([19, 30], 7));
  const { train, test } = loadCifar('cifar100', { path: folder });
  expect([...train.labels, ...test.labels]).toEqual([99, 30]);
  expect([...test.images]).toEqual([...record([0, 0], 7).subarray(2)]);
  expect(train.numClasses).toBe(100);
  write('test.bin', record([19, 100], 7));
  expectError('cifar100', 'test.bin: the label of record 0 is 100, expected a number below 100');
});
