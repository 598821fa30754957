/** How a tensor prints: as PyTorch prints it, shortened where it is large. */
import { scope } from './scope.js';
import type { Tensor } from './tensor.js';

const edge = 3;
const printWholeUpTo = 200;

/** `tensor([[1.0000, 2.0000]], shape=[1, 2], dtype=float32)`; long dimensions show their first and last three. */
export function formatTensor(tensor: Tensor): string {
  let attributes: string[];
  let body: string;
  try {
    attributes = [`shape=[${tensor.shape.join(', ')}]`, `dtype=${tensor.dtype}`];
    if (tensor.device !== 'cpu') attributes.push(`device=${tensor.device}`);
    if (tensor.gradFunction !== null) attributes.push(`gradFunction=${tensor.gradFunction}`);
    else if (tensor.requiresGrad) attributes.push('requiresGrad');
    body = scope(() => formatElements(tensor));
  } catch (error) {
    return `tensor(<${error instanceof Error ? error.message : String(error)}>)`;
  }
  return `tensor(${body}, ${attributes.join(', ')})`;
}

function formatElements(tensor: Tensor): string {
  const { shape, dtype } = tensor;
  if (dtype.startsWith('complex')) return '…';
  if (tensor.numel === 0) return '[]';
  const shorten = tensor.numel > printWholeUpTo;
  let shown = tensor.detach();
  if (shorten) {
    shape.forEach((size, dim) => {
      if (size > 2 * edge) {
        shown = shown.indexSelect(dim, endsOf(shown, size));
      }
    });
  }
  const values = shown.toArray();
  const texts = values.map((value) => formatNumber(value, dtype, values));
  const width = Math.max(0, ...texts.map((text) => text.length));
  let next = 0;
  const render = (dim: number, indent: number): string => {
    if (dim === shape.length) return (texts[next++] ?? '').padStart(width);
    const size = shape[dim]!;
    const gap = shorten && size > 2 * edge;
    const count = gap ? 2 * edge : size;
    const parts: string[] = [];
    for (let i = 0; i < count; i++) {
      if (gap && i === edge) parts.push('…');
      parts.push(render(dim + 1, indent + 1));
    }
    const innermost = dim === shape.length - 1;
    const separator = innermost ? ', ' : `,${'\n'.repeat(shape.length - 1 - dim)}${' '.repeat(indent + 1)}`;
    return `[${parts.join(separator)}]`;
  };
  return render(0, 'tensor('.length);
}

function endsOf(tensor: Tensor, size: number): Tensor {
  const wanted = Array.from({ length: 2 * edge }, (_, i) => (i < edge ? i : size - 2 * edge + i));
  const index = tensor.newZeros([wanted.length], { dtype: 'int64' });
  (index.data as BigInt64Array).set(wanted.map(BigInt));
  return tensor.device === 'cpu' ? index : index.to(tensor.device);
}

function formatNumber(value: number, dtype: string, all: readonly number[]): string {
  if (dtype === 'bool') return value === 0 ? 'false' : 'true';
  if (!dtype.includes('float')) return String(value);
  if (!Number.isFinite(value)) return String(value).replace('Infinity', 'inf').replace('NaN', 'nan');
  const magnitudes = all.filter((v) => v !== 0 && Number.isFinite(v)).map(Math.abs);
  const largest = Math.max(0, ...magnitudes);
  const smallest = Math.min(Infinity, ...magnitudes);
  return largest >= 1e5 || (magnitudes.length > 0 && smallest < 1e-4) ? value.toExponential(4) : value.toFixed(4);
}
