/** An exported network that answers, in the thread that it was made in. */
import {
  rankedClasses,
  type LayerCoefficients,
  type LayerExperts,
  type PictureAnswer,
  type TextAnswer,
} from '../answers.js';
import { InputError } from '../errors.js';
import { expandWeights } from '../expand.js';
import { externalLocations } from '../externalData.js';
import { parseManifest, type Manifest, type PictureManifest, type TextManifest } from '../manifest.js';
import { pictureInput, type PictureSource } from '../picture/pictureInput.js';
import { readSafetensors } from '../safetensors.js';
import type { Encoding, TextTokenizer } from '../tokenizer/textTokenizer.js';
import type { FileKind, LoadProgress, ModelFiles } from './modelFiles.js';
import { Queue } from './queue.js';
import type { Device, GraphFiles, Numbers, Session } from './session.js';

/** What a network is, before it answers anything. */
export interface Facts {
  readonly modality: Manifest['modality'];
  readonly name: string;
  readonly layer: Manifest['layer'];
  readonly classNames: readonly string[] | null;
  readonly device: Device;
  readonly downloadedBytes: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface PictureOptions extends CallOptions {
  /** Whether to tell how each dynamic layer mixed its kernels. @default false */
  readonly coefficients?: boolean | undefined;
}

export interface TextOptions extends CallOptions {
  /** Whether to tell which experts each token went to. @default false */
  readonly experts?: boolean | undefined;
}

/** A sentence, or a pair. */
export type Text = string | readonly [first: string, second: string];

/** A network that answers, here or in a worker. `Picture` is what this platform decodes. */
export interface Engine<Picture> {
  readonly facts: Facts;
  picture(picture: Picture, options: PictureOptions): Promise<PictureAnswer>;
  pictureLogits(pictures: readonly Picture[], options: CallOptions): Promise<Float32Array[]>;
  text(first: string, second: string | null, options: TextOptions): Promise<TextAnswer>;
  textLogits(texts: readonly Text[], options: CallOptions): Promise<Float32Array[]>;
  release(): Promise<void>;
}

/** What the engine needs of Node or of a browser. */
export interface Platform<Picture> {
  openSession(files: GraphFiles): Promise<Session>;
  /** What is given back is used at once, and closed. */
  decode(picture: Picture): Promise<PictureSource & { close?(): void }>;
}

export interface EngineOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * Reads the files of a network and makes it ready.
 *
 * @throws InputError where a file is missing, damaged or does not fit the others
 */
export async function openEngine<Picture>(
  files: ModelFiles,
  platform: Platform<Picture>,
  { signal, onProgress }: EngineOptions = {},
): Promise<Engine<Picture>> {
  let downloadedBytes = 0;
  const find = async (name: string, kind: FileKind): Promise<Uint8Array | null> => {
    const bytes = await files.read(name, kind, { signal, onProgress });
    signal?.throwIfAborted();
    downloadedBytes += bytes?.length ?? 0;
    return bytes;
  };
  const manifest = parseManifest(decoded((await find('padnet.json', 'manifest'))!), files.path('padnet.json'));
  const graph = await readGraph(files, manifest, find);
  const { data, tokenizer } = await readWeights(files, manifest, find);
  signal?.throwIfAborted();
  const path = files.path(manifest.graph);
  const session = await platform.openSession({ graph, path, weights: { file: manifest.weights.file, data } });
  try {
    signal?.throwIfAborted();
    checkNames(session, manifest, path);
  } catch (error) {
    await session.release();
    throw error;
  }
  return new LocalEngine(manifest, session, tokenizer, platform, downloadedBytes);
}

type Find = (name: string, kind: FileKind) => Promise<Uint8Array | null>;

function decoded(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The graph, which may want no file but the weights that it is given. */
async function readGraph(files: ModelFiles, manifest: Manifest, find: Find): Promise<Uint8Array> {
  const graph = (await find(manifest.graph, 'graph'))!;
  const path = files.path(manifest.graph);
  let locations: Set<string>;
  try {
    locations = externalLocations(graph);
  } catch (cause) {
    throw new InputError(`${path} is damaged: it is no graph of ONNX; export the network again`, { cause });
  }
  for (const location of locations) {
    if (location === manifest.weights.file) continue;
    throw new InputError(
      `${path} wants the file ${JSON.stringify(location)}, expected ${manifest.weights.file} alone; do not use it`,
    );
  }
  return graph;
}

/** The weights as the graph wants them; the compact form is let go. */
async function readWeights(
  files: ModelFiles,
  manifest: Manifest,
  find: Find,
): Promise<{ readonly data: Uint8Array; readonly tokenizer: TextTokenizer | null }> {
  const path = files.path(manifest.compact);
  const compact = readSafetensors((await find(manifest.compact, 'weights'))!, path);
  if (compact.metadata.format !== 'padnet-compact-1')
    throw new InputError(
      `${path} has ${compact.metadata.format ? `format ${compact.metadata.format}` : 'no format'}, ` +
        'expected padnet-compact-1; export the network again',
    );
  let tokenizer: TextTokenizer | null = null;
  if (manifest.modality === 'text') {
    // Loaded for texts alone: it is two thirds of the runtime.
    const { tokenizerOf } = await import('./tokenizer.js');
    tokenizer = await tokenizerOf(compact.metadata.tokenizer, path, async (name) => {
      const bytes = await find(name, 'tokenizer');
      return bytes && decoded(bytes);
    });
  }
  return { data: expandWeights(compact, manifest.weights, path), tokenizer };
}

/** @throws InputError where the graph is not that of the manifest */
function checkNames(session: Session, manifest: Manifest, path: string): void {
  const inputs = manifest.modality === 'image' ? ['pixels'] : ['input_ids', 'attention_mask', 'token_type_ids'];
  const optional = manifest.outputs.flatMap((output) =>
    output.kind === 'coefficients' ? [output.name] : [output.experts, output.gates],
  );
  const missing = [
    ...inputs.filter((name) => !session.inputNames.includes(name)),
    ...['logits', ...optional].filter((name) => !session.outputNames.includes(name)),
  ];
  if (missing.length > 0 || session.inputNames.length !== inputs.length)
    throw new InputError(
      `${path} is not the graph of its padnet.json: ${missing.length > 0 ? `it has no ${missing[0]!}` : 'it has other inputs'}; export the network again`,
    );
}

class LocalEngine<Picture> implements Engine<Picture> {
  readonly facts: Facts;
  readonly #queue = new Queue();
  readonly #session: Session;
  #isReleased = false;

  constructor(
    private readonly manifest: Manifest,
    session: Session,
    private readonly tokenizer: TextTokenizer | null,
    private readonly platform: Platform<Picture>,
    downloadedBytes: number,
  ) {
    this.#session = session;
    const { modality, name, layer, classNames } = manifest;
    this.facts = { modality, name, layer, classNames, device: session.device, downloadedBytes };
  }

  async picture(picture: Picture, { signal, coefficients = false }: PictureOptions): Promise<PictureAnswer> {
    const manifest = this.#manifest('image');
    return await this.#queue.run(signal, async () => {
      const pixels = await this.#pixels(manifest, [picture]);
      const wanted = coefficients ? manifest.outputs.filter((output) => output.kind === 'coefficients') : [];
      const { results, milliseconds } = await this.#run(
        { pixels },
        wanted.map(({ name }) => name),
      );
      const [logits] = this.#rows(results.logits!, 1);
      return {
        classes: rankedClasses(Array.from(logits!), manifest.classNames),
        milliseconds,
        coefficients: wanted.map(({ name, layer }): LayerCoefficients => {
          return { layer, coefficients: Array.from(results[name]!.data as Float32Array) };
        }),
      };
    });
  }

  async pictureLogits(pictures: readonly Picture[], { signal }: CallOptions): Promise<Float32Array[]> {
    const manifest = this.#manifest('image');
    if (pictures.length === 0) return [];
    return await this.#queue.run(signal, async () => {
      const { results } = await this.#run({ pixels: await this.#pixels(manifest, pictures) }, []);
      return this.#rows(results.logits!, pictures.length);
    });
  }

  async text(first: string, second: string | null, { signal, experts = false }: TextOptions): Promise<TextAnswer> {
    const manifest = this.#manifest('text');
    const { classNames, outputs } = manifest;
    return await this.#queue.run(signal, async () => {
      const { truncated, ...encoding } = this.#encode(manifest, first, second);
      const wanted = experts ? outputs.filter((output) => output.kind === 'experts') : [];
      const names = wanted.flatMap((output) => [output.experts, output.gates]);
      const { results, milliseconds } = await this.#run(this.#tokens(manifest, [encoding]), names);
      const [logits] = this.#rows(results.logits!, 1);
      return {
        classes: classNames ? rankedClasses(Array.from(logits!), classNames) : [],
        score: classNames ? null : logits![0]!,
        milliseconds,
        tokens: encoding.tokens,
        truncated,
        experts: wanted.map((output): LayerExperts => {
          const { layer, numExperts, k } = output;
          const rows = (name: string): number[][] => perToken(results[name]!, k, encoding.tokens.length);
          return { layer, numExperts, experts: rows(output.experts), gates: rows(output.gates) };
        }),
      };
    });
  }

  async textLogits(texts: readonly Text[], { signal }: CallOptions): Promise<Float32Array[]> {
    const manifest = this.#manifest('text');
    if (texts.length === 0) return [];
    return await this.#queue.run(signal, async () => {
      const encodings = texts.map((text) =>
        typeof text === 'string' ? this.#encode(manifest, text, null) : this.#encode(manifest, ...text),
      );
      const { results } = await this.#run(this.#tokens(manifest, encodings), []);
      return this.#rows(results.logits!, texts.length);
    });
  }

  async release(): Promise<void> {
    if (this.#isReleased) {
      await this.#queue.run(undefined, () => Promise.resolve());
      return;
    }
    this.#isReleased = true;
    await this.#queue.run(undefined, () => this.#session.release());
  }

  #manifest(modality: 'image'): PictureManifest;
  #manifest(modality: 'text'): TextManifest;
  #manifest(modality: Manifest['modality']): Manifest {
    if (this.#isReleased) throw new InputError(`${this.manifest.name} was released; load it again`);
    if (this.manifest.modality !== modality) throw new InputError(`${this.manifest.name} takes no ${modality}`);
    return this.manifest;
  }

  /** [pictures, channels, height, width] */
  async #pixels({ picture: input }: PictureManifest, pictures: readonly Picture[]): Promise<Numbers> {
    const size = input.channels * input.height * input.width;
    const data = new Float32Array(pictures.length * size);
    for (const [index, picture] of pictures.entries()) {
      const source = await this.platform.decode(picture);
      try {
        data.set(pictureInput(source, input), index * size);
      } finally {
        source.close?.();
      }
    }
    return { data, shape: [pictures.length, input.channels, input.height, input.width] };
  }

  #encode(manifest: TextManifest, first: string, second: string | null): Encoding & { readonly truncated: boolean } {
    const { maxLength } = manifest.text;
    let truncated = false;
    const encoding = this.tokenizer!.encode(first, second, { maxLength, onTruncate: () => (truncated = true) });
    return { ...encoding, truncated };
  }

  /** Each [texts, length of the longest], padded at the end. */
  #tokens(manifest: TextManifest, encodings: readonly Encoding[]): Record<string, Numbers> {
    const { padTokenId } = manifest.text;
    const length = Math.max(...encodings.map(({ inputIds }) => inputIds.length));
    const shape = [encodings.length, length];
    const filled = (padding: number, row: (encoding: Encoding) => readonly number[]): Numbers => {
      const data = new BigInt64Array(encodings.length * length).fill(BigInt(padding));
      for (const [index, encoding] of encodings.entries()) data.set(row(encoding).map(BigInt), index * length);
      return { data, shape };
    };
    return {
      input_ids: filled(padTokenId, ({ inputIds }) => inputIds),
      attention_mask: filled(0, ({ inputIds }) => inputIds.map(() => 1)),
      token_type_ids: filled(0, ({ tokenTypeIds }) => tokenTypeIds),
    };
  }

  async #run(
    inputs: Readonly<Record<string, Numbers>>,
    optional: readonly string[],
  ): Promise<{ readonly results: Readonly<Record<string, Numbers>>; readonly milliseconds: number }> {
    const start = performance.now();
    try {
      const results = await this.#session.run(inputs, ['logits', ...optional]);
      return { results, milliseconds: performance.now() - start };
    } catch (cause) {
      throw new InputError(
        `${this.manifest.name} could not be computed: its graph and weights do not fit, or memory ran out`,
        { cause },
      );
    }
  }

  /** One row an input. @throws InputError where they are no numbers, or not as many as classes */
  #rows({ data, shape }: Numbers, batch: number): Float32Array[] {
    const classes = this.manifest.classNames?.length ?? 1;
    if (shape.length !== 2 || shape[0] !== batch || shape[1] !== classes)
      throw new InputError(
        `${this.manifest.name} gives ${shape.join('×')} numbers, expected ${batch}×${classes}; export it again`,
      );
    if (!data.every((number) => Number.isFinite(number)))
      throw new InputError(`${this.manifest.name} gives no number for this input; was the network trained?`);
    return Array.from({ length: batch }, (_, row) => (data as Float32Array).slice(row * classes, (row + 1) * classes));
  }
}

/** [rows, k] as one row a token: a sentence or a task decides for all of its tokens. */
function perToken({ data, shape }: Numbers, k: number, tokens: number): number[][] {
  const rows = shape[0] ?? 0;
  return Array.from({ length: tokens }, (_, token) => {
    const row = rows === 1 ? 0 : token;
    return Array.from(data.subarray(row * k, (row + 1) * k), Number);
  });
}
