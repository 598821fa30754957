/** `padnet.json`: what a folder with an exported network has, and how the weights of its graph are made. */
import * as z from 'zod/mini';
import { InputError } from './errors.js';
import { english } from './schemaMessages.js';

/** A file of the folder itself: a path in it never leaves it. */
const fileName = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'expected the name of a file in the folder'));
const size = z.int().check(z.minimum(1), z.maximum(2 ** 31));
/** Of a picture. */
const side = z.int().check(z.minimum(1), z.maximum(2 ** 13));
const shape = z.array(z.int().check(z.minimum(0), z.maximum(2 ** 31))).check(z.maxLength(8));

const weightSchema = z.discriminatedUnion('kind', [
  /**
   * A tensor of the compact form as it is, or with the last two dimensions swapped: `shape` is that of the result.
   * `row`: one entry of its first dimension alone.
   */
  z.strictObject({
    kind: z.literal('tensor'),
    tensor: z.string(),
    row: z.optional(z.int().check(z.minimum(0))),
    transpose: z.optional(z.literal(true)),
    shape,
    offset: z.int().check(z.minimum(0)),
  }),
  /**
   * The K rows of a partial layer's bank [K, n], n the entries of `weight`: dynamic numbers at dynamic positions, at the
   * others the static weight (`shared`) or 0 (`none`). `transpose`: each row, a matrix, is transposed. `row`: that one
   * alone.
   */
  z.strictObject({
    kind: z.literal('bank'),
    source: z.string(),
    row: z.optional(z.int().check(z.minimum(0))),
    weight: shape,
    constant: z.enum(['shared', 'none']),
    transpose: z.optional(z.literal(true)),
    shape,
    offset: z.int().check(z.minimum(0)),
  }),
  /** The static weight of a partial layer, 0 at dynamic positions. */
  z.strictObject({
    kind: z.literal('constant'),
    source: z.string(),
    weight: shape,
    transpose: z.optional(z.literal(true)),
    shape,
    offset: z.int().check(z.minimum(0)),
  }),
]);

/** A weight of the graph: float32 at `offset` bytes of `weights.file`, and what it is made of. */
export type WeightEntry = z.infer<typeof weightSchema>;

const outputSchema = z.discriminatedUnion('kind', [
  /** How a dynamic layer mixes its kernels: float32 [batch, kernels]. */
  z.strictObject({ kind: z.literal('coefficients'), name: z.string(), layer: z.string(), kernels: size }),
  /** Which experts a mixture chose, int64 [rows, k], and their gates, float32 [rows, k]; rows are those of `level`. */
  z.strictObject({
    kind: z.literal('experts'),
    experts: z.string(),
    gates: z.string(),
    layer: z.string(),
    k: size,
    numExperts: size,
    level: z.enum(['token', 'sentence', 'task']),
  }),
]);

/** An output of the graph beside `logits`. */
export type OptionalOutput = z.infer<typeof outputSchema>;

const common = {
  format: z.literal('padnet-export-1'),
  /** The network in words. */
  name: z.string(),
  layer: z.enum(['static', 'dynamic', 'partial']),
  /** What the graph was made for. */
  target: z.enum(['node', 'web']),
  graph: fileName,
  compact: fileName,
  weights: z.strictObject({ file: fileName, bytes: z.int().check(z.minimum(0)), tensors: z.array(weightSchema) }),
  outputs: z.array(outputSchema),
};

const manifestSchema = z.discriminatedUnion('modality', [
  z.strictObject({
    ...common,
    modality: z.literal('image'),
    classNames: z.array(z.string()).check(z.minLength(1)),
    picture: z
      .strictObject({
        channels: size,
        height: side,
        width: side,
        /** In units where black is 0 and white 1, by channel. */
        mean: z.array(z.number()),
        std: z.array(z.number().check(z.gt(0))),
        /** The share of each side that is left of a picture that is resized and then cropped. */
        cropFraction: z.number().check(z.gt(0), z.maximum(1)),
      })
      .check(
        z.refine(
          ({ channels, mean, std }) => mean.length === channels && std.length === channels,
          'expected a mean and a std for each channel',
        ),
      ),
  }),
  z.strictObject({
    ...common,
    modality: z.literal('text'),
    /** Null where the network gives one number. */
    classNames: z.nullable(z.array(z.string()).check(z.minLength(1))),
    text: z.strictObject({
      /** Tokens at most, special ones included. */
      maxLength: size,
      /** Whether it was trained on pairs of sentences. */
      pair: z.boolean(),
      padTokenId: z.int().check(z.minimum(0)),
    }),
  }),
]);

export type Manifest = z.infer<typeof manifestSchema>;
export type PictureManifest = Extract<Manifest, { readonly modality: 'image' }>;
export type TextManifest = Extract<Manifest, { readonly modality: 'text' }>;

/**
 * @param file what messages call it
 * @throws InputError naming the key that is wrong
 */
export function parseManifest(text: string, file: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new InputError(`${file} is damaged: it is no JSON; export the network again`, { cause });
  }
  const format = (json as { readonly format?: unknown } | null)?.format;
  if (format !== 'padnet-export-1') {
    const found = typeof format === 'string' ? `format ${format}` : 'no format';
    throw new InputError(
      `${file} has ${found}, expected padnet-export-1; export the network again with \`padnet export\`, or use the ` +
        'version of @padnet/runtime that wrote it',
    );
  }
  const parsed = manifestSchema.safeParse(json, { error: english });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InputError(`${file} is damaged: ${issue!.path.join('.')}: ${issue!.message}; export the network again`);
}
