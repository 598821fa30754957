/** What the headers of a shared library say; nothing of it is loaded. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { systemErrorText } from '../serialization/systemError.js';

export interface SharedLibrary {
  /** The name that others link it by, such as `libtorch_cpu.so.1.13`; null where it has none. */
  readonly soname: string | null;
  /** Names of the libraries that it is linked with. */
  readonly needed: readonly string[];
}

/** By the number of ELF's `e_machine`; names as in `process.arch`. */
const machines: Readonly<Record<number, string>> = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64', 243: 'riscv64' };

const LOADED_SEGMENT = 1;
const DYNAMIC_SEGMENT = 2;
const [NEEDED, STRING_TABLE, SONAME] = [1, 5, 14];

/**
 * Reads a library of Linux (ELF, 64 bits). On macOS only whether there is a file that is not empty.
 *
 * @throws Error in one sentence, where it is none that this machine could load
 */
export function readSharedLibrary(path: string): SharedLibrary {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw new Error(`${path} could not be opened: ${systemErrorText(error) ?? String(error)}`, { cause: error });
  }
  try {
    return readOpened(file, path);
  } finally {
    closeSync(file);
  }
}

function readOpened(file: number, path: string): SharedLibrary {
  const status = fstatSync(file);
  if (!status.isFile()) throw new Error(`${path} is no file`);
  const { size } = status;
  if (size === 0) throw new Error(`${path} is empty`);
  if (process.platform !== 'linux') return { soname: null, needed: [] };

  /** The bytes from `position` on, as many as there are. */
  const read = (position: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, position));
  };
  const cutShort = (needs: number): Error =>
    new Error(`${path} is cut short: it has ${size} bytes and should have at least ${needs}`);

  const header = read(0, 64);
  if (header.toString('latin1', 0, 4) !== '\x7fELF') throw new Error(`${path} is no shared library`);
  if (header.length < 64) throw cutShort(64);
  const bits = header[4] === 2 ? 64 : 32;
  const machine = machines[header.readUInt16LE(18)] ?? `processor ${header.readUInt16LE(18)}`;
  if (bits !== 64 || machine !== process.arch) {
    throw new Error(`${path} is for ${machine}${bits === 64 ? '' : ' in 32 bits'}; this Node is for ${process.arch}`);
  }

  const table = {
    at: Number(header.readBigUInt64LE(32)),
    size: header.readUInt16LE(54),
    count: header.readUInt16LE(56),
  };
  const tableEnd = table.at + table.size * table.count;
  if (table.size < 56 || tableEnd > size) throw cutShort(tableEnd);
  const segments = Array.from({ length: table.count }, (_, index) => {
    const entry = read(table.at + index * table.size, 56);
    const number = (at: number): number => Number(entry.readBigUInt64LE(at));
    return { type: entry.readUInt32LE(0), offset: number(8), address: number(16), size: number(32) };
  });
  for (const segment of segments) {
    if (segment.type === LOADED_SEGMENT && segment.offset + segment.size > size) {
      throw cutShort(segment.offset + segment.size);
    }
  }
  const dynamic = segments.find(({ type }) => type === DYNAMIC_SEGMENT);
  if (!dynamic) throw new Error(`${path} is no shared library`);

  const entries: { tag: number; value: number }[] = [];
  const bytes = read(dynamic.offset, dynamic.size);
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    entries.push({ tag: Number(bytes.readBigInt64LE(at)), value: Number(bytes.readBigUInt64LE(at + 8)) });
  }
  const strings = entries.find(({ tag }) => tag === STRING_TABLE)?.value ?? 0;
  const home = segments.find(
    ({ type, address, size: length }) => type === LOADED_SEGMENT && strings >= address && strings < address + length,
  );
  if (!home) throw new Error(`${path} is no shared library`);
  const name = (at: number): string => {
    const text = read(strings - home.address + home.offset + at, 256);
    return text.toString('latin1', 0, Math.max(0, text.indexOf(0)));
  };
  const names = (wanted: number): string[] =>
    entries.filter(({ tag }) => tag === wanted).map(({ value }) => name(value));
  return { soname: names(SONAME)[0] ?? null, needed: names(NEEDED) };
}
