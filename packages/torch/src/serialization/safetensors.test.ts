import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  arange,
  decodeSafetensors,
  encodeSafetensors,
  fromTypedArray,
  liveTensors,
  loadSafetensors,
  ones,
  SafetensorsError,
  saveSafetensors,
  scope,
  tensor,
  zeros,
  type DType,
  type Tensor,
} from '../index.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-safetensors-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A file from the text of its header and its data, with any length claimed. */
function handMade(header: string, data: readonly number[] = [], claimed?: bigint): Uint8Array {
  const text = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

const bytesOf = (value: Tensor): Uint8Array => {
  const raw = value.reshape([-1]).contiguous();
  return value.numel === 0 ? new Uint8Array() : (raw.view('uint8').toTypedArray() as Uint8Array);
};

describe('the bytes', () => {
  it('are those of a file made by hand', () => {
    const encoded = encodeSafetensors(
      { b: tensor([true, false]), a: tensor([[1], [-2]]) },
      { format: 'pt', about: 'é"' },
    );
    const header =
      '{"__metadata__":{"about":"é\\"","format":"pt"},' +
      '"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},' +
      '"b":{"dtype":"BOOL","shape":[2],"data_offsets":[8,10]}}';
    const length = new TextEncoder().encode(header).length;
    const padded = header + ' '.repeat((8 - (length % 8)) % 8);
    // 1 and -2 in float32, little-endian; true and false
    expect(encoded).toEqual(handMade(padded, [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 1, 0]));
    expect(encodeSafetensors({})).toEqual(handMade('{}      '));
  });

  it('read back as they were written, also in an order and with spaces that we would not write', () => {
    const file = handMade(
      '{ "y":{"data_offsets":[2,4],"shape":[],"dtype":"I16"},\n' +
        '"x":{"dtype":"BF16","shape":[1,1],"data_offsets":[0,2]}} ',
      [0x80, 0x3f, 0xfe, 0xff],
    );
    scope(() => {
      const { tensors, metadata } = decodeSafetensors(file);
      expect(metadata).toEqual({});
      expect([...tensors.keys()]).toEqual(['x', 'y']);
      expect(tensors.get('x')!.shape).toEqual([1, 1]);
      expect(tensors.get('x')!.dtype).toBe('bfloat16');
      expect(tensors.get('x')!.toArray()).toEqual([1]);
      expect(tensors.get('y')!.item()).toBe(-2);
    });
  });

  it('do not depend on the order of tensors and texts, nor on how tensors lie in memory', () => {
    scope(() => {
      const a = arange(0, 6).reshape([2, 3]);
      const transposed = a.t().contiguous().t();
      const first = encodeSafetensors(new Map([['a', a], ['b', ones([2])]]), { x: '1', y: '2' }); // prettier-ignore
      const second = encodeSafetensors({ b: ones([2]), a: transposed }, { y: '2', x: '1' });
      expect(second).toEqual(first);
    });
  });
});

describe('round trip', () => {
  const floats = { float64: 8, float32: 4, float16: 2, bfloat16: 2 };
  const integers = { int64: 8, int32: 4, int16: 2, int8: 1, uint8: 1, bool: 1 };
  const sizes = { ...floats, ...integers } satisfies Partial<Record<DType, number>>;
  const dtypes = Object.keys(sizes) as (keyof typeof sizes)[];
  const described = fc.record({
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    seed: fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
  });
  const names = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('', '__proto__', 'constructor', '0', 'layer1.0.conv1.weight', 'größe', '🦀', '\u0000\n"\\'),
  );

  it('keeps every bit of every dtype, shape and name', () => {
    const file = join(folder, 'roundtrip.safetensors');
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(names, described), { selector: ([name]) => name, maxLength: 6 }),
        fc.dictionary(names, fc.string({ unit: 'binary' }), { maxKeys: 3 }),
        (list, metadata) => {
          fc.pre(list.every(([name]) => name !== '__metadata__'));
          scope(() => {
            const tensors = new Map(
              list.map(([name, { dtype, shape, seed }]) => {
                const count = shape.reduce((product, size) => product * size, sizes[dtype]);
                const random = Uint8Array.from(seed.take(count), (byte) => (dtype === 'bool' ? byte % 2 : byte));
                const flat = fromTypedArray(random);
                const made =
                  count === 0 ? zeros([0], { dtype }) : dtype === 'bool' ? flat.to('bool') : flat.view(dtype);
                return [name, made.reshape(shape)];
              }),
            );
            saveSafetensors(file, tensors, metadata);
            const loaded = loadSafetensors(file);
            expect({ ...loaded.metadata }).toEqual({ ...metadata });
            expect([...loaded.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
            for (const [name, value] of loaded.tensors) {
              const original = tensors.get(name)!;
              expect([value.dtype, value.shape]).toEqual([original.dtype, original.shape]);
              expect(bytesOf(value)).toEqual(bytesOf(original));
            }
            const encoded = encodeSafetensors(tensors, metadata);
            expect(new Uint8Array(readFileSync(file))).toEqual(encoded);
            expect(encodeSafetensors(decodeSafetensors(encoded).tensors, metadata)).toEqual(encoded);
          });
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  });

  it('stores parameters, and frees nothing but its own', () => {
    const parameter = ones([2]);
    parameter.requiresGrad = true;
    const live = liveTensors();
    const encoded = encodeSafetensors({ parameter, transposed: parameter });
    expect(liveTensors()).toBe(live);
    scope(() => {
      expect(decodeSafetensors(encoded).tensors.get('parameter')!.requiresGrad).toBe(false);
    });
    expect(liveTensors()).toBe(live);
  });
});

describe('what is wrong gets one line that names file and tensor', () => {
  const entry = (text: string): string => `{"w":${text}}`;
  const good = '"dtype":"F32","shape":[2],"data_offsets":[0,8]';
  const eight = [0, 0, 0, 0, 0, 0, 0, 0];

  it.each<[string, Uint8Array]>([
    ['has 3 bytes, expected at least the 8 of the header\'s length', new Uint8Array(3)], // prettier-ignore
    ['wrong header length: 3 bytes, but only 2 bytes follow', handMade('{}', [], 3n)],
    ['wrong header length: 18446744073709551615 bytes, but only 2 bytes follow', handMade('{}', [], 2n ** 64n - 1n)],
    ['the header is not JSON in UTF-8', handMade('{"w":')],
    ['the header is not JSON in UTF-8', handMade('')],
    ['the header is not JSON in UTF-8', handMade('\ufeff{}')],
    ["the header does not begin with '{'", handMade(' {}')],
    ["the header does not begin with '{'", handMade('[]')],
    ['the header has the key "w" twice', handMade(`{"w":{${good}},"\\u0077":{${good}}}`, eight)],
    ['the header has the key "shape" twice', handMade(entry(`{${good},"shape":[2]}`), eight)],
    ['__metadata__ must be an object of texts', handMade('{"__metadata__":{"a":1}}')],
    ['__metadata__ must be an object of texts', handMade('{"__metadata__":[]}')],
    ['tensor "w": expected an object with dtype, shape and data_offsets', handMade(entry('3'))],
    [
      'tensor "w": unknown key "stride", known are dtype, shape and data_offsets',
      handMade(entry(`{${good},"stride":1}`)),
    ],
    [
      'tensor "w": unknown dtype "F8", known are F64, I64, F32, I32, F16, BF16, I16, I8, U8, BOOL',
      handMade(entry('{"dtype":"F8","shape":[],"data_offsets":[0,1]}'), [0]),
    ],
    ['tensor "w": unknown dtype nothing, known', handMade(entry('{}'))],
    ['tensor "w": unknown dtype "toString"', handMade(entry('{"dtype":"toString"}'))],
    ['tensor "w": the shape [-1] is no list', handMade(entry('{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}'))],
    ['tensor "w": the shape [1.5] is no list', handMade(entry('{"dtype":"U8","shape":[1.5],"data_offsets":[0,0]}'))],
    ['tensor "w": the shape ["2"] is no list', handMade(entry('{"dtype":"U8","shape":["2"],"data_offsets":[0,0]}'))],
    [
      'tensor "w": the shape [1,1,1,',
      handMade(entry(`{"dtype":"U8","shape":[${Array(65).fill(1).join()}],"data_offsets":[0,1]}`), [0]),
    ],
    [
      'tensor "w": the shape [4294967296,4294967296] is too large',
      handMade(entry('{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}')),
    ],
    [
      'tensor "w": the shape [0,4503599627370496,8] is too large',
      handMade(entry('{"dtype":"U8","shape":[0,4503599627370496,8],"data_offsets":[0,0]}')),
    ],
    [
      'tensor "w": data_offsets [0] are no pair of whole numbers',
      handMade(entry('{"dtype":"U8","shape":[0],"data_offsets":[0]}')),
    ],
    [
      'tensor "w": data_offsets [0,1,2] are no pair',
      handMade(entry('{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}')),
    ],
    [
      'tensor "w": has 4 bytes, expected 8 for F32 [2]',
      handMade(entry('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}'), eight),
    ],
    [
      'tensor "w": has -8 bytes, expected 8 for F32 [2]',
      handMade(entry('{"dtype":"F32","shape":[2],"data_offsets":[8,0]}'), eight),
    ],
    ['tensor "w" ends at byte 8, but there are only 7 bytes of data', handMade(entry(`{${good}}`), eight.slice(1))],
    ['1 bytes follow the last tensor, expected none', handMade(entry(`{${good}}`), [...eight, 0])],
    ['8 bytes follow the last tensor, expected none', handMade('{}', eight)],
    [
      'tensor "v" begins at byte 4 and overlaps tensor "w"',
      handMade(`{"w":{${good}},"v":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}`, eight),
    ],
    [
      'tensor "w" begins at byte 4, expected 0, right after the header',
      handMade(entry('{"dtype":"U8","shape":[4],"data_offsets":[4,8]}'), eight),
    ],
    [
      'tensor "v" begins at byte 9, expected 8, right after tensor "w"',
      handMade(`{"w":{${good}},"v":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}}`, [...eight, 0, 0]),
    ],
    [
      'tensor "w": element 1 is the byte 2, expected 0 or 1 for BOOL',
      handMade(entry('{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}'), [1, 2, 0]),
    ],
  ])('%s', (message, bytes) => {
    const live = liveTensors();
    const file = join(folder, 'wrong.safetensors');
    writeFileSync(file, bytes);
    for (const [label, load] of [
      [file, () => loadSafetensors(file)],
      ['upload', () => decodeSafetensors(bytes, 'upload')],
    ] as const) {
      const error = errorOf(load);
      expect(error).toBeInstanceOf(SafetensorsError);
      expect(error.message).toContain(`${label}: ${message}`);
      expect(error.message).not.toContain('\n');
    }
    expect(liveTensors()).toBe(live);
  });

  it('files that are none', () => {
    expect(errorOf(() => loadSafetensors(join(folder, 'missing'))).message).toMatch(
      /missing: could not be read: there is no such file/,
    );
    expect(errorOf(() => loadSafetensors(folder)).message).toBe(`${folder}: is no regular file`);
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(errorOf(() => loadSafetensors(pipe)).message).toBe(`${pipe}: is no regular file`);
  });

  it('tensors that cannot be stored; the old file stays', () => {
    const file = join(folder, 'kept.safetensors');
    saveSafetensors(file, { w: ones([2]) });
    const save = (tensors: Record<string, Tensor>, metadata = {}) =>
      errorOf(() => {
        saveSafetensors(file, tensors, metadata);
      }).message;
    expect(save({ z: zeros([1], { dtype: 'complex64' }) })).toBe(`${file}: tensor "z": complex64 cannot be stored`);
    expect(save({ __metadata__: ones([1]) })).toBe(`${file}: a tensor cannot be named '__metadata__'`);
    expect(save({ 'a\ud800': ones([1]) })).toBe(`${file}: the text "a\\ud800" is not valid Unicode`);
    expect(save({}, { a: '\udc00' })).toContain('is not valid Unicode');
    const freed = ones([2]);
    freed[Symbol.dispose]();
    expect(save({ freed })).toContain(`${file}: could not be saved: `);
    expect(scope(() => loadSafetensors(file).tensors.get('w')!.toArray())).toEqual([1, 1]);
  });

  it('a disk that is full: the old file stays valid', () => {
    const full = mkdtempSync(join(folder, 'full-'));
    const file = join(full, 'model.safetensors');
    saveSafetensors(file, { w: ones([3]) });
    const code = `
      import { saveSafetensors, zeros } from ${JSON.stringify(new URL('../index.js', import.meta.url).href)};
      try {
        saveSafetensors(${JSON.stringify(file)}, { w: zeros([1_000_000]) });
      } catch (error) {
        console.log(error.name + ' ' + error.message);
      }`;
    // A limit on file sizes makes write() fail half-way, as a full disk does.
    const run = 'ulimit -f 2048; exec "$0" --input-type=module -e "$1"';
    const output = execFileSync('sh', ['-c', run, process.execPath, code]).toString();
    expect(output).toBe(
      `SafetensorsError ${file}: could not be saved: files may not be that large here (see \`ulimit -f\`)\n`,
    );
    expect(readdirSync(full)).toEqual(['model.safetensors']);
    expect(scope(() => loadSafetensors(file).tensors.get('w')!.toArray())).toEqual([1, 1, 1]);
  });

  function errorOf(body: () => unknown): Error {
    try {
      body();
    } catch (error) {
      return error as Error;
    }
    throw new Error('nothing was thrown');
  }
});

describe('memory', () => {
  it('a small file that claims terabytes allocates nothing', () => {
    const claims = [
      handMade('{"w":{"dtype":"F64","shape":[1000000,125000],"data_offsets":[0,1000000000000]}}', [0, 0]),
      handMade('{}', [], 99_999_999n),
    ];
    const before = process.memoryUsage();
    for (let i = 0; i < 100; i++) for (const claim of claims) expect(() => decodeSafetensors(claim)).toThrow();
    const after = process.memoryUsage();
    expect(after.rss - before.rss).toBeLessThan(32e6);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8e6);
  });

  it('a large sparse file whose header claims it all is refused by the limit on headers', () => {
    const file = join(folder, 'sparse.safetensors');
    writeFileSync(file, handMade('{}', [], 200_000_000n));
    truncateSync(file, 1_000_000_000);
    const before = process.memoryUsage().rss;
    expect(() => loadSafetensors(file)).toThrow('200000000 bytes, but at most 100000000 are allowed');
    expect(process.memoryUsage().rss - before).toBeLessThan(32e6);
  });
});

describe('mutated files', () => {
  const total = process.env.PADNET_LONG_TESTS === '1' ? 10_000 : 500;

  it(`${total} of them: loaded or refused with one line, without a leak`, () => {
    const originals = scope(() => [
      encodeSafetensors(
        {
          'conv1.weight': ones([4, 3]),
          'bn.steps': tensor([7n]),
          mask: tensor([true, false]),
          half: ones([5]).to('float16'),
        },
        { partition: '{"rounds":3}', note: 'größe' },
      ),
      encodeSafetensors({ empty: zeros([0, 3]), scalar: tensor(1.5) }),
      encodeSafetensors({}),
    ]);
    const random = mulberry32(20_240_601);
    const file = join(folder, 'mutated.safetensors');
    const live = liveTensors();
    const before = process.memoryUsage();
    let refused = 0;
    for (let i = 0; i < total; i++) {
      let bytes = originals[below(random, originals.length)]!;
      for (let changes = 1 + below(random, 3); changes > 0; changes--) bytes = mutate(bytes, random);
      writeFileSync(file, bytes);
      const outcomes = [() => loadSafetensors(file), () => decodeSafetensors(bytes, file)].map((load) => outcome(load));
      if (outcomes[0] !== outcomes[1]) throw new Error(`file and bytes differ: ${outcomes.join(' / ')}`);
      if (outcomes[0] !== 'loaded') refused += 1;
    }
    expect(refused).toBeGreaterThan(total / 2);
    expect(refused).toBeLessThan(total);
    expect(liveTensors()).toBe(live);
    const after = process.memoryUsage();
    expect(after.rss - before.rss).toBeLessThan(128e6);
  });

  /** 'loaded', or the message; rethrows all that is no SafetensorsError of one line. */
  function outcome(load: () => { tensors: Map<string, Tensor> }): string {
    try {
      return scope(() => {
        for (const value of load().tensors.values()) value.toArray();
        return 'loaded';
      });
    } catch (error) {
      if (error instanceof SafetensorsError && !error.message.includes('\n')) return error.message;
      throw error;
    }
  }

  // prettier-ignore
  const fragments = [
    '"', '{', '}', '[', ']', ',', ':', '-1', '0', '1e309', '1e15', '9007199254740993', 'null', '\\u0000', '"dtype"',
    '"F64"', '"BOOL"', '"shape"', '"data_offsets":[0,8]', '"__metadata__":{}', '"__proto__"', '\ud83e',
  ];

  function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
    const at = below(random, bytes.length + 1);
    const splice = (start: number, removed: number, added: Uint8Array): Uint8Array =>
      Uint8Array.from([...bytes.subarray(0, start), ...added, ...bytes.subarray(start + removed)]);
    const none = new Uint8Array();
    switch (below(random, 7)) {
      case 0: // any byte
        return splice(at, 1, Uint8Array.of(below(random, 256)));
      case 1: // cut off
        return bytes.slice(0, at);
      case 2: // something in the middle lost
        return splice(at, 1 + below(random, 16), none);
      case 3: // something repeated
        return splice(at, 0, bytes.subarray(at, at + 1 + below(random, 64)));
      case 4: {
        // another length of the header
        const changed = bytes.slice();
        if (changed.length >= 8) {
          const claims = [0n, 1n, BigInt(bytes.length), BigInt(below(random, 400)), 2n ** 63n, 100_000_001n];
          new DataView(changed.buffer).setBigUint64(0, claims[below(random, claims.length)]!, true);
        }
        return changed;
      }
      case 5: // another digit somewhere in the header
        return splice(digitAfter(bytes, at), 1, Uint8Array.of(0x30 + below(random, 10)));
      default: {
        // JSON where it does not belong, with a length of the header that fits
        const added = new TextEncoder().encode(fragments[below(random, fragments.length)]);
        const changed = splice(Math.max(8, at), below(random, 2), added);
        const growth = changed.length - bytes.length;
        if (bytes.length >= 8) {
          const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
          new DataView(changed.buffer).setBigUint64(0, BigInt.asUintN(64, length + BigInt(growth)), true);
        }
        return changed;
      }
    }
  }

  function digitAfter(bytes: Uint8Array, from: number): number {
    const found = bytes.findIndex((byte, i) => i >= from && byte >= 0x30 && byte <= 0x39);
    return found < 0 ? from : found;
  }

  const below = (random: () => number, limit: number): number => Math.floor(random() * limit);

  /** A small seeded generator (Tommy Ettinger's mulberry32). */
  function mulberry32(seed: number): () => number {
    let state = seed;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }
});
