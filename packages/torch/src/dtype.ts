/** PyTorch's dtypes by name, and the typed arrays that hold them. */

export const dtypes = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
  'complex64',
  'complex128',
] as const;

export type DType = (typeof dtypes)[number];

const itemSizes: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
  complex64: 8,
  complex128: 16,
};

export function isDType(name: string): name is DType {
  return Object.hasOwn(itemSizes, name);
}

/** Bytes of an element. */
export function itemSize(dtype: DType): number {
  return itemSizes[dtype];
}

export type TypedArray = Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** The typed array whose bytes are those of a dtype; bool is Uint8Array (0 and 1), float16 and bfloat16 have none. */
const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Partial<Record<DType, unknown>>;

/** Wraps a tensor's bytes in the typed array of its dtype. Throws for dtypes that JavaScript has no array for. */
export function typedArrayOver(buffer: ArrayBuffer, dtype: DType): TypedArray {
  if (!(dtype in arrays)) {
    throw new TypeError(`JavaScript has no typed array for ${dtype}; convert first, e.g. x.to('float32')`);
  }
  return new arrays[dtype as keyof typeof arrays](buffer);
}

/** The dtype of a typed array's elements. */
export function dtypeOf(array: TypedArray): DType {
  for (const [dtype, constructor] of Object.entries(arrays)) {
    if (array instanceof constructor) return dtype as DType;
  }
  throw new TypeError(`no dtype has the elements of ${(array as object).constructor.name}`);
}
