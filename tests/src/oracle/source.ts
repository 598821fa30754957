/** The parameter source of an oracle's layer, as it is trained and as its mask is searched. */
import { noGrad, ops, type Tensor } from '@padnet/torch';
import { Bank, Mask, PartialSource, SearchSource, type ScaleMode } from 'padnet';
import { toTensor, type Gradients, type Numbers, type OracleDType } from './fixtures.js';

export type AnySource = Bank | PartialSource | SearchSource;

export interface OracleSource {
  readonly kind: 'dynamic' | 'partial';
  readonly scale?: ScaleMode | null;
  readonly bank: Numbers;
  readonly static?: Numbers;
  readonly phi?: Numbers;
  readonly mask?: Numbers;
}

export function buildSource(oracle: OracleSource, dtype: OracleDType): Bank | PartialSource {
  if (oracle.kind === 'dynamic') return new Bank(toTensor(oracle.bank, dtype));
  const search = buildSearchSource(oracle, dtype);
  return search.toPartial(search.mask);
}

/** With gradients of the static weight too. */
export function buildSearchSource(oracle: OracleSource, dtype: OracleDType): SearchSource {
  const { bank, static: staticWeight, mask, phi, scale } = oracle;
  if (!staticWeight || !mask || !phi || !scale) throw new Error('a partial case needs static, mask, phi and scale');
  const source = new SearchSource({
    bank: toTensor(bank, dtype),
    staticWeight: toTensor(staticWeight, dtype),
    mask: Mask.fromTensor(toTensor(mask, dtype)),
    scaleMode: scale,
  });
  noGrad(() => source.phi?.copy_(toTensor(phi, dtype)));
  source.staticWeight.requiresGrad = true;
  return source;
}

/** The source's tensors that have gradients, by the oracle's names. */
export function sourceTensors(source: AnySource): Record<string, Tensor | null> {
  if (source instanceof Bank) return { bank: source.bank };
  return { bank: source.bank, static: source.staticWeight, phi: source.phi };
}

/**
 * Gradients by the oracle's names.
 *
 * @param tensors by those names; null: the case has none
 * @param differentiate gives the gradients of tensors, in their order
 */
export function namedGradients(
  source: AnySource,
  tensors: Readonly<Record<string, Tensor | null>>,
  differentiate: (tensors: Tensor[]) => readonly (Tensor | null)[],
): Gradients {
  const wanted = Object.entries(tensors).filter((entry): entry is [string, Tensor] => entry[1] !== null);
  const gradients = differentiate(wanted.map(([, tensor]) => tensor));
  return wholeGradients(source, new Map(wanted.map(([name], index) => [name, gradients[index] ?? null])));
}

/** With the mask as a variable; null where there is none. */
export function scoredGradients(
  oracle: OracleSource,
  dtype: OracleDType,
  run: (source: SearchSource, mask: Tensor) => Gradients,
): Gradients | null {
  if (oracle.kind === 'dynamic') return null;
  const source = buildSearchSource(oracle, dtype);
  return source.withMaskVariable((mask) => run(source, mask));
}

/** Gradients of the numbers in use, put where they belong in the whole weights: the oracle has 0 elsewhere. */
function wholeGradients(source: AnySource, gradients: Gradients): Gradients {
  if (!(source instanceof PartialSource)) return gradients;
  const { shape, numKernels } = source;
  const mask = source.maskTensor();
  const spread = (name: string, shape: readonly number[], where: Tensor): [string, Tensor | null] => {
    const gradient = gradients.get(name) ?? null;
    return [name, gradient && ops.maskedScatter(gradient.newZeros(shape), where, gradient)];
  };
  return new Map([
    ...gradients,
    spread('bank', [numKernels, ...shape], mask),
    spread('static', shape, mask.logicalNot()),
  ]);
}
