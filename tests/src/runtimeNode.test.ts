/** The runtime in Node: its answers are libtorch's, and what is wrong with a folder is told in a line. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { crc32 } from 'node:zlib';
import { fromTypedArray, noGrad, scope } from '@padnet/torch';
import {
  InputError,
  load,
  type Picture,
  PictureClassifier,
  TextClassifier,
  type LoadProgress,
  type PictureManifest,
} from '@padnet/runtime';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError as TrainingError } from 'padnet';
import { readPictureBatch } from '../../packages/padnet/dist/data/index.js';
import { encodeOnnx } from '../../packages/padnet/dist/export/onnxFile.js';
import {
  classNames,
  exportedPictures,
  exportedTexts,
  maxLength,
  normalise,
  pictureNetwork,
  pictureShape,
  writeExported,
  type ExportedFiles,
} from './exportedNetworks.js';
import { serveFolder, type StaticServer } from './staticServer.js';

const root = mkdtempSync(join(tmpdir(), 'padnet-runtime-'));
const network = pictureNetwork(1);
const pictures = exportedPictures(network);
const texts = exportedTexts(2, ['no', 'yes']);
let server: StaticServer;

beforeAll(async () => {
  writeExported(join(root, 'pictures'), pictures);
  writeExported(join(root, 'texts'), texts);
  writeExported(join(root, 'scores'), exportedTexts(3, null));
  server = await serveFolder(root);
});

afterAll(async () => {
  await server.close();
  rmSync(root, { recursive: true });
});

async function pictureClassifier(source: string | URL = join(root, 'pictures')): Promise<PictureClassifier> {
  const loaded = await load(source);
  if (loaded instanceof PictureClassifier) return loaded;
  throw new Error('expected a network for pictures');
}

async function textClassifier(name: string): Promise<TextClassifier> {
  const loaded = await load(join(root, name));
  if (loaded instanceof TextClassifier) return loaded;
  throw new Error('expected a network for texts');
}

/** The message of an InputError, of one line. */
async function refused(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  const { message } = error as InputError;
  expect(message).not.toMatch(/\n|ENOENT|errno|ERR_/);
  return message;
}

async function waves(width: number, height: number, phase = 0): Promise<Buffer> {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, index) => {
    const place = Math.floor(index / 3);
    return 127 * (1 + Math.sin(phase + (place % width) / 7 + Math.floor(place / width) / (5 + (index % 3))));
  });
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

describe('pictures', () => {
  it('are answered as by libtorch', async () => {
    const files = await Promise.all([waves(64, 48), waves(90, 90, 1), waves(33, 200, 2)]);
    const { images } = await readPictureBatch(files, { shape: { ...pictureShape, cropFraction: 0.875 }, normalise });
    const expected = scope(() =>
      noGrad(() => Array.from(network.forward(fromTypedArray(images, [3, 3, 32, 32])).toArray())),
    );
    await using classifier = await pictureClassifier();
    const logits = await classifier.logits(files);
    const scale = Math.max(...expected.map(Math.abs));
    expect(logits.map((row) => row.length)).toEqual([5, 5, 5]);
    for (const [index, value] of logits.flatMap((row) => Array.from(row)).entries())
      expect(Math.abs(value - expected[index]!)).toBeLessThan(1e-2 * scale);

    const answer = await classifier.classify(files[0], { coefficients: true });
    const powers = Array.from(logits[0]!, (logit) => Math.exp(logit));
    const sum = powers.reduce((total, power) => total + power);
    const likeliest = classNames
      .map((label, index) => ({ label, probability: powers[index]! / sum }))
      .sort((a, b) => b.probability - a.probability);
    expect(answer.classes.map(({ label }) => label)).toEqual(likeliest.map(({ label }) => label));
    for (const [index, { probability }] of answer.classes.entries())
      expect(probability).toBeCloseTo(likeliest[index]!.probability, 5);
    expect(answer.milliseconds).toBeGreaterThan(0);
    expect(answer.coefficients.map(({ layer }) => layer)).toContain('layer1.0.conv1');
    for (const { coefficients } of answer.coefficients) {
      expect(coefficients.length).toBe(4);
      expect(coefficients.reduce((total, each) => total + each)).toBeCloseTo(1, 5);
    }
    expect((await classifier.classify(files[0])).coefficients).toEqual([]);
  });

  it('may be paths, bytes of files or pixels, and networks say what they are', async () => {
    const file = await waves(50, 40);
    writeFileSync(join(root, 'waves.png'), file);
    const { data, info } = await sharp(file).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    await using classifier = await pictureClassifier(pathToFileURL(join(root, 'pictures')));
    const raw = { data: new Uint8Array(data), width: info.width, height: info.height, channels: 4 } as const;
    const [ofBytes, ofPath, ofPixels] = await classifier.logits([file, join(root, 'waves.png'), raw]);
    expect(ofPath).toEqual(ofBytes);
    expect(ofPixels).toEqual(ofBytes);
    const { modality, name, layer, device, downloadedBytes } = classifier;
    expect({ modality, name, layer, device }).toEqual({
      modality: 'image',
      name: pictures.manifest.name,
      layer: 'partial',
      device: 'cpu',
    });
    const json = readFileSync(join(root, 'pictures/padnet.json'));
    expect(downloadedBytes).toBe(json.length + pictures.compact.length + pictures.graph.length);
  });

  it('that cannot be used are told of', async () => {
    await using classifier = await pictureClassifier();
    const png = await waves(60, 60);
    const told = async (picture: string | Uint8Array): Promise<string> => await refused(classifier.classify(picture));
    expect(await told(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'))).toContain(
      'contents are SVG, expected',
    );
    expect(await told(Buffer.from('\0\0\0\x18ftypheic'))).toContain('contents are HEIC, expected');
    expect(await told(Buffer.from('a text'))).toContain('not a picture, expected JPEG, PNG');
    expect(await told(new Uint8Array())).toContain('is empty');
    expect(await told(png.subarray(0, png.length / 2))).toContain('damaged or cut off');
    expect(await told(join(root, 'none.png'))).toContain('none.png is not there');
    expect(await told(root)).toContain('is no file');
    const short = { data: new Uint8Array(5), width: 2, height: 1, channels: 3 } as const;
    expect(await refused(classifier.classify(short))).toContain('has 5 values, expected 6: 2×1×3');
    // Numbers from 0 to 1 would be taken for black.
    for (const data of [new Float32Array(6), new Uint16Array(6), [1, 2, 3, 4, 5, 6], null])
      expect(await refused(classifier.classify({ ...short, data } as unknown as Picture))).toContain(
        'has pixels of another type, expected Uint8Array or Uint8ClampedArray',
      );
    for (const [given, name] of [
      [null, 'null'],
      [undefined, 'undefined'],
      [5, 'number'],
    ] as const)
      expect(await refused(classifier.classify(given as unknown as Picture))).toBe(
        `${name} was given, expected a picture`,
      );
    expect(await refused(classifier.logits('a.png' as unknown as Picture[]))).toBe(
      'string was given, expected an array of pictures',
    );
    // The header of a PNG claims what it likes.
    const bomb = Buffer.from(png);
    bomb.writeUInt32BE(20000, 16);
    bomb.writeUInt32BE(20000, 20);
    bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
    expect(await told(bomb)).toContain('20000×20000 pixels are more than');
  });

  it('of 50 megapixels are answered', async () => {
    const tile = await waves(80, 62);
    const scaled = async (width: number, height: number): Promise<Buffer> =>
      await sharp(tile).resize(width, height, { fit: 'fill' }).jpeg().toBuffer();
    const [large, small] = [await scaled(8000, 6250), await scaled(800, 625)];
    await using classifier = await pictureClassifier();
    const [ofLarge, ofSmall] = await classifier.logits([large, small]);
    for (const [index, value] of ofLarge!.entries()) expect(value).toBeCloseTo(ofSmall![index]!, 2);
  });
});

describe('texts', () => {
  it('are answered with tokens and the experts of each', async () => {
    await using classifier = await textClassifier('texts');
    const answer = await classifier.classify('The cats sat', 'on the cat!', { experts: true });
    expect(answer.tokens.join(' ')).toBe('[CLS] the cat ##s sat [SEP] on the cat ! [SEP]');
    expect(answer.truncated).toBe(false);
    expect(answer.classes.map(({ label }) => label).sort()).toEqual(['no', 'yes']);
    expect(answer.score).toBeNull();
    const [router] = answer.experts;
    expect(router).toMatchObject({ layer: 'router', numExperts: 4 });
    expect(router!.experts.length).toBe(answer.tokens.length);
    // The same token of the same sentence goes to the same experts.
    const [firstThe, secondThe] = [answer.tokens.indexOf('the'), answer.tokens.lastIndexOf('the')];
    const alone = await classifier.classify('The cats sat', null, { experts: true });
    expect(alone.experts[0]!.experts[firstThe]).toEqual(router!.experts[firstThe]);
    expect(router!.gates[secondThe]).not.toEqual(router!.gates[firstThe]);
    expect((await classifier.classify('the cat')).experts).toEqual([]);
  });

  it('are the same in a batch, where shorter ones are padded', async () => {
    await using classifier = await textClassifier('texts');
    const batch = await classifier.logits(['the cat', ['the cats', 'sat on the cat'], 'sat']);
    const alone = [
      ...(await classifier.logits(['the cat'])),
      ...(await classifier.logits([['the cats', 'sat on the cat']])),
      ...(await classifier.logits(['sat'])),
    ];
    for (const [row, logits] of batch.entries())
      for (const [index, value] of logits.entries()) expect(value).toBeCloseTo(alone[row]![index]!, 5);
  });

  it('of 10,000 words are cut to what the network was trained on, and that is told', async () => {
    await using classifier = await textClassifier('scores');
    const long = await classifier.classify('the cat '.repeat(5000));
    expect(long.tokens.length).toBe(maxLength);
    expect(long.truncated).toBe(true);
    expect(long.classes).toEqual([]);
    expect(long.score).toBe((await classifier.logits(['the cat '.repeat(5000)]))[0]![0]);
    expect((await classifier.classify('the cat')).truncated).toBe(false);
  });

  it('take the tokenizer beside the compact form where that carries none', async () => {
    const [carried, tokenizer] = withoutTokenizer(texts);
    const folder = join(root, 'beside');
    writeExported(folder, carried);
    expect(await refused(load(folder))).toContain('has no tokenizer');
    writeFileSync(join(folder, 'tokenizer.json'), tokenizer);
    await using beside = await textClassifier('beside');
    await using within = await textClassifier('texts');
    expect(await beside.logits(['the cats'])).toEqual(await within.logits(['the cats']));
  });
});

/** The files with the tokenizer taken out of the metadata, and its text. */
function withoutTokenizer(files: ExportedFiles): [ExportedFiles, string] {
  const length = Number(Buffer.from(files.compact).readBigUInt64LE(0));
  const header = JSON.parse(Buffer.from(files.compact.subarray(8, 8 + length)).toString()) as {
    __metadata__: Record<string, string>;
  };
  const carried = JSON.parse(header.__metadata__.tokenizer!) as Record<string, string>;
  delete header.__metadata__.tokenizer;
  const text = Buffer.from(JSON.stringify(header).padEnd(length));
  const compact = Buffer.concat([files.compact.subarray(0, 8), text, files.compact.subarray(8 + length)]);
  return [{ ...files, compact }, carried['tokenizer.json']!];
}

describe('a folder', () => {
  const { manifest, compact, graph } = pictures;
  const changed = (changes: object): ExportedFiles => ({ ...pictures, manifest: { ...manifest, ...changes } });
  const stranger = encodeOnnx({ name: 'other', inputs: [], outputs: [], initializers: [], nodes: [] }, {});
  const outside = Buffer.from(Buffer.from(graph).toString('latin1').replaceAll('weights.bin', '/etc/passwd'), 'latin1');
  const later = Buffer.from(graph);
  // The version of the standard operators, which is the last field but one of a file without metadata.
  later[later.indexOf(Buffer.from([0x42, 2, 0x10, 17])) + 3] = 99;
  const wrongBytes = Buffer.from(compact);
  wrongBytes.fill(0xff, 20, 60);

  it.each<[string, ExportedFiles, RegExp]>([
    [
      'a manifest of another version',
      changed({ format: 'padnet-export-9' }),
      /has format padnet-export-9, expected padnet-export-1/,
    ],
    ['a graph outside of it', changed({ graph: '../model.onnx' }), /graph: expected the name of a file in the folder/],
    [
      'weights outside of it',
      changed({ weights: { ...manifest.weights, file: '/etc/passwd' } }),
      /weights.file: expected the name/,
    ],
    [
      'too small weights',
      changed({ weights: { ...manifest.weights, bytes: 64 } }),
      /does not fit its graph: a weight lies beyond the end/,
    ],
    [
      'weights that no memory holds',
      changed({ weights: { ...manifest.weights, bytes: 2 ** 52 } }),
      /cannot be expanded: there is no memory for the \d+ bytes/,
    ],
    [
      'weights in one place',
      changed({
        weights: { ...manifest.weights, tensors: manifest.weights.tensors.map((each) => ({ ...each, offset: 0 })) },
      }),
      /does not fit its graph: a weight lies where another is/,
    ],
    [
      'huge pictures',
      changed({ picture: { ...(manifest as PictureManifest).picture, height: 2 ** 31 } }),
      /padnet.json is damaged: picture.height: /,
    ],
    [
      'more channels than means',
      changed({ picture: { ...(manifest as PictureManifest).picture, channels: 2 ** 31 } }),
      /padnet.json is damaged: picture: expected a mean and a std for each channel/,
    ],
    [
      'a graph that reads another file',
      { ...pictures, graph: outside },
      /wants the file "\/etc\/passwd", expected weights.bin alone/,
    ],
    [
      'a graph cut off',
      { ...pictures, graph: graph.subarray(0, graph.length / 2) },
      /model.onnx is damaged: it is no graph/,
    ],
    [
      'a graph that is a text',
      { ...pictures, graph: Buffer.from('{ "graph": 1 }') },
      /model.onnx is damaged|cannot be run/,
    ],
    [
      'a graph of another network',
      { ...pictures, graph: stranger },
      /model.onnx (is not the graph of its padnet.json|cannot be run)/,
    ],
    [
      'a graph of later operators',
      { ...pictures, graph: later },
      /model.onnx cannot be run: it is damaged, or made for another version/,
    ],
    [
      'a compact form cut off',
      { ...pictures, compact: compact.subarray(0, compact.length - 9) },
      /model.safetensors is damaged or cut off/,
    ],
    [
      'a compact form of nothing',
      { ...pictures, compact: new Uint8Array(3) },
      /model.safetensors is damaged or cut off: it has 3 bytes/,
    ],
    [
      'a damaged header',
      { ...pictures, compact: wrongBytes },
      /model.safetensors is damaged or cut off: its header is no JSON/,
    ],
    [
      'the compact form of another network',
      { ...pictures, compact: texts.compact },
      /does not fit its graph: it has no/,
    ],
    ['a text network’s graph', { ...texts, graph }, /does not fit|cannot be run|is not the graph of its padnet.json/],
  ])('with %s is refused', async (name, files, message) => {
    const folder = join(root, 'bad', name.replaceAll(/\W/g, '-'));
    writeExported(folder, files);
    expect(await refused(load(folder))).toMatch(message);
  });

  it('that is none, or has damaged JSON, is refused', async () => {
    expect(await refused(load(join(root, 'nowhere')))).toMatch(/padnet.json is not there; give the folder/);
    const folder = join(root, 'bad', 'json');
    writeExported(folder, pictures);
    writeFileSync(join(folder, 'padnet.json'), '{ "format": ');
    expect(await refused(load(folder))).toMatch(/padnet.json is damaged: it is no JSON/);
    rmSync(join(folder, 'padnet.json'));
    mkdirSync(join(folder, 'padnet.json'));
    expect(await refused(load(folder))).toMatch(/padnet.json is no file/);
    expect(await refused(load(folder, { device: 'webgpu' }))).toMatch(/is no file/);
    expect(await refused(load(join(root, 'texts'), { device: 'webgpu' }))).toMatch(/device webgpu is one of browsers/);
  });

  it('may be named by an address of this machine; what is none at all is refused', async () => {
    await using classifier = await pictureClassifier(pathToFileURL(join(root, 'pictures')).href);
    expect(classifier.name).toBe(manifest.name);
    expect(await refused(load(null as unknown as string))).toMatch(/load takes the folder of an exported network/);
    expect(await refused(load('file://elsewhere/pictures'))).toMatch(/is no path of this machine/);
    expect(await refused(load('ftp://127.0.0.1/pictures'))).toMatch(/expected an address that starts with http/);
    const secret = await refused(load('http://user:secret@127.0.0.1/pictures'));
    expect(secret).toBe('the address of 127.0.0.1 has a name or a password, which fetch does not take; leave it out');
  });

  it.each([0, -1, 1.5, NaN, 4096, 1e9, '2'])('is not computed with %s threads', async (numThreads) => {
    expect(await refused(load(join(root, 'pictures'), { numThreads: numThreads as number }))).toBe(
      `numThreads is ${numThreads}, expected a whole number from 1 to 256`,
    );
  });

  it('is not blamed for what `onProgress` throws', async () => {
    const failure = new Error('the page is gone');
    const onProgress = (): void => {
      throw failure;
    };
    await expect(load(join(root, 'pictures'), { onProgress })).rejects.toBe(failure);
  });

  it('throws the errors of training', () => {
    expect(TrainingError).toBe(InputError);
  });

  it('is refused where onnxruntime-node is not installed', () => {
    const alone = join(root, 'alone/node_modules');
    const installed = fileURLToPath(new URL('../../node_modules', import.meta.url));
    for (const part of ['package.json', 'dist'])
      cpSync(join(installed, '@padnet/runtime', part), join(alone, '@padnet/runtime', part), {
        recursive: true,
        dereference: true,
        filter: (file) => !file.includes('.test.'),
      });
    symlinkSync(join(installed, 'zod'), join(alone, 'zod'));
    const program = `
      const { load } = await import('@padnet/runtime');
      await load(${JSON.stringify(join(root, 'texts'))}).catch((error) => console.log(error.name, error.message));`;
    writeFileSync(join(root, 'alone/program.mjs'), program);
    const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'alone/program.mjs')], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout.trim()).toBe(
      'InputError onnxruntime-node is not installed, which Node needs to answer: npm install onnxruntime-node',
    );
  });
});

describe('a server', () => {
  it('is read with progress', async () => {
    const seen: LoadProgress[] = [];
    await using classifier = await load(`${server.address}/pictures`, {
      onProgress: (progress) => seen.push(progress),
    });
    expect(classifier.device).toBe('cpu');
    for (const [file, bytes] of [
      ['model.safetensors', pictures.compact],
      ['model.onnx', pictures.graph],
    ] as const) {
      const of = seen.filter((progress) => progress.file === file);
      expect(of.at(-1)).toEqual({ file, loadedBytes: bytes.length, totalBytes: bytes.length, fromCache: false });
      expect(of.map(({ loadedBytes }) => loadedBytes)).toEqual(
        of.map(({ loadedBytes }) => loadedBytes).sort((a, b) => a - b),
      );
    }
  });

  it.each<[string, Parameters<StaticServer['instead']['set']>[1], RegExp]>([
    ['answers 404', (_, response) => response.writeHead(404).end(), /model.safetensors: the server answers 404/],
    [
      'sends a page',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<p>'),
      /sends a page \(HTML\)/,
    ],
    [
      'breaks off',
      (_, response) => {
        response.writeHead(200, { 'content-length': 1000 });
        response.write(new Uint8Array(100), () => setTimeout(() => response.destroy(), 20));
      },
      /the download of .*model.safetensors broke off after 100 of 1000 bytes; try again/,
    ],
    [
      'does not say how much, and stops early',
      (_, response) => response.writeHead(200).end(pictures.compact.subarray(0, 5000)),
      /model.safetensors is damaged or cut off/,
    ],
  ])('that %s is told of', async (_, answer, message) => {
    server.instead.set('/pictures/model.safetensors', answer);
    try {
      expect(await refused(load(`${server.address}/pictures/`))).toMatch(message);
    } finally {
      server.instead.clear();
    }
  });

  it('that is not there is told of', async () => {
    expect(await refused(load('http://127.0.0.1:9/pictures'))).toMatch(/padnet.json cannot be reached/);
    expect(await refused(load(new URL('ftp://127.0.0.1/pictures')))).toMatch(/starts with http: or https:/);
  });

  it('is left when the signal is aborted', async () => {
    server.instead.set('/pictures/model.safetensors', (_, response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write(new Uint8Array(100));
    });
    const controller = new AbortController();
    const loading = load(`${server.address}/pictures`, {
      signal: controller.signal,
      onProgress: ({ file }) => {
        if (file === 'model.safetensors') controller.abort();
      },
    });
    await expect(loading).rejects.toMatchObject({ name: 'AbortError' });
    server.instead.clear();
  });
});

describe('a call', () => {
  it('that waits is left when its signal is aborted, and the others are answered', async () => {
    await using classifier = await pictureClassifier();
    const picture = await waves(64, 64);
    const controller = new AbortController();
    const first = classifier.classify(picture);
    const second = classifier.classify(picture, { signal: controller.signal });
    const third = classifier.classify(picture);
    controller.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    expect((await third).classes).toEqual((await first).classes);
    await expect(classifier.classify(picture, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it('before the release is answered, which waits for it', async () => {
    const classifier = await pictureClassifier();
    const picture = await waves(64, 64);
    const answers = [classifier.classify(picture), classifier.classify(picture)];
    let answered = 0;
    for (const answer of answers) void answer.then(() => answered++);
    await Promise.all([classifier.release(), classifier.release()]);
    await Promise.all(answers);
    expect(answered).toBe(2);
    await using texts = await textClassifier('texts');
    const ofText = texts.classify('a good plot');
    await texts.release();
    expect((await ofText).classes).toHaveLength(2);
  });

  it('after the release says so', async () => {
    const classifier = await pictureClassifier();
    const picture = await waves(64, 64);
    const running = classifier.classify(picture);
    await running;
    await classifier.release();
    await classifier.release();
    expect(await refused(classifier.classify(picture))).toContain('was released; load it again');
    expect(await refused(classifier.logits([picture]))).toContain('was released; load it again');
  });
});
