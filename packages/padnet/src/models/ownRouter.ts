/** Routers of one's own, from a file: `model.router` of a recipe. See `examples/src/ownRouter.ts`. */
import { defaultGenerator, Generator, nn, noGrad, ops, randn, scope, Tensor } from '@padnet/torch';
import type { RouterFactory } from '../convert/index.js';
import { attend, type Attention, type Router } from '../dynamic/index.js';
import { InputError, reasonOf } from '../errors.js';
import { loadCode, type CodeOptions } from '../ownCode/index.js';

export interface OwnRouter {
  readonly router: RouterFactory;
  /** The file, with the checksum of what was run. */
  readonly reference: string;
}

const expected = 'expected `export default (geometry, numKernels) => …`, a function that makes the router of a layer';

/**
 * The default export of a file, a function that makes the router of each convolution. Each router is tried on random
 * inputs when it is made, so that one that does not keep what `Router` says is told at once; what goes wrong later
 * names the file too.
 *
 * @param reference path of the file, as in `model.router`
 * @throws InputError where it may not be run, fails, or exports something else
 */
export function loadRouter(reference: string, options: CodeOptions): OwnRouter {
  const { exported, file, reference: pinned } = loadCode(reference, 'model.router', options);
  const wrong: Wrong = (what, cause) => new InputError(`model.router: ${file}: ${what}`, { cause });
  if (typeof exported !== 'function') throw wrong(`${expected}; the default export is ${kindOf(exported)}`);
  if (/^class\b/.test(Function.prototype.toString.call(exported)))
    throw wrong(`${expected}; the default export is a class: export a function that makes one of it`);
  const make = exported as (geometry: nn.ConvGeometry, numKernels: number) => unknown;
  const router: RouterFactory = (geometry, numKernels) => {
    try {
      const made = make(geometry, numKernels);
      const problem = routerProblem(made, numKernels);
      if (problem !== null) throw wrong(problem);
      guard(made as Router, geometry, wrong);
      const misled = trialProblem(made as Router, geometry);
      if (misled !== null) throw wrong(misled);
      return made as Router;
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw wrong(`making the router failed: ${reasonOf(error)}`, error);
    }
  };
  return { router, reference: pinned };
}

type Wrong = (what: string, cause?: unknown) => InputError;

/** A property of routers that an object lacks; null where it has all. */
function routerProblem(made: unknown, numKernels: number): string | null {
  if (!(made instanceof nn.Module)) return `expected an nn.Module of @padnet/torch for each layer, got ${kindOf(made)}`;
  const router = made as Partial<Router> & nn.Module;
  const name = router.constructor.name;
  if (router.numKernels !== numKernels)
    return `${name}.numKernels is ${shown(router.numKernels)}, expected K = ${numKernels}`;
  if (typeof router.sumsToOne !== 'boolean')
    return (
      `${name}.sumsToOne is ${shown(router.sumsToOne)}, expected true or false: ` +
      'whether the coefficients of an input sum to 1'
    );
  const missing = (['forward', 'countMacs'] as const).find((method) => typeof router[method] !== 'function');
  return missing === undefined ? null : `${name}.${missing} is ${shown(router[missing])}, expected a method`;
}

/** An answer that no layer can use. */
interface Unusable {
  readonly got: string;
  readonly wanted: string;
}

/** Makes errors of the router's methods, and answers that no layer can use, name the file from here on. */
function guard(router: Router, geometry: nn.ConvGeometry, wrong: Wrong): void {
  const { name } = router.constructor;
  const replace = (
    method: 'forward' | 'attend' | 'countMacs' | 'neutralise',
    problemOf: (answer: unknown, shape: readonly number[]) => Unusable | null,
  ): void => {
    const own: unknown = Reflect.get(router, method);
    if (typeof own !== 'function') return;
    const guarded = (given?: Tensor | readonly number[]): unknown => {
      const shape = given instanceof Tensor ? given.shape : (given ?? []);
      const call = `${name}.${method}`;
      const where = given === undefined ? '' : ` for an input of ${list(shape)}`;
      try {
        const answer: unknown = Reflect.apply(own, router, [given]);
        if (answer instanceof Promise) answer.catch(() => undefined); // refused below, whatever comes of it
        const problem = problemOf(answer, shape);
        if (problem !== null) throw wrong(`${call} gives ${problem.got}${where}, expected ${problem.wanted}`);
        return answer;
      } catch (error) {
        throw error instanceof InputError ? error : wrong(`${call} fails${where}: ${reasonOf(error)}`, error);
      }
    };
    Object.defineProperty(router, method, { value: guarded, configurable: true, writable: true });
  };
  replace('forward', (coefficients, [batch = 0]) =>
    attentionProblem({ coefficients, spatial: null, channel: null, filter: null }, batch, router, geometry),
  );
  replace('attend', (attention, [batch = 0]) => attentionProblem(attention, batch, router, geometry));
  replace('countMacs', (macs) =>
    typeof macs === 'number' && Number.isFinite(macs) && macs >= 0
      ? null
      : { got: shown(macs), wanted: 'a number of multiplications' },
  );
  replace('neutralise', () => null);
}

function attentionProblem(
  attention: unknown,
  batch: number,
  { numKernels }: Router,
  { inChannels, outChannels, kernelSize }: nn.ConvGeometry,
): Unusable | null {
  if (typeof attention !== 'object' || attention === null)
    return { got: kindOf(attention), wanted: '{ coefficients, spatial, channel, filter }' };
  const positions = kernelSize.reduce((product, size) => product * size, 1);
  const shapes = { coefficients: numKernels, spatial: positions, channel: inChannels, filter: outChannels };
  for (const [key, width] of Object.entries(shapes) as [keyof Attention, number][]) {
    const given = (attention as Partial<Record<keyof Attention, unknown>>)[key];
    if (given === null && key !== 'coefficients') continue;
    const wanted = `${list([batch, width])}: [batch, …]`;
    if (!(given instanceof Tensor)) return { got: `${kindOf(given)} as ${key}`, wanted: `a tensor ${wanted}` };
    if (given.shape.join() !== [batch, width].join()) return { got: `${key} of ${list(given.shape)}`, wanted };
  }
  return null;
}

/** The part of its contract that a router breaks for random inputs of more than one number; null where it keeps it. */
function trialProblem(router: Router, geometry: nn.ConvGeometry): string | null {
  using _mode = nn.evaluationMode(router);
  const random = defaultGenerator.getState();
  try {
    for (const batch of [2, 3]) {
      const shape = [batch, geometry.inChannels, ...geometry.kernelSize.map(() => 8)];
      router.countMacs(shape);
      const problem = scope(() =>
        noGrad(() => decisionProblem(router, attend(router, randn(shape, { generator: new Generator(0) })))),
      );
      if (problem !== null) return problem;
    }
    return null;
  } finally {
    defaultGenerator.setState(random); // networks start from the same numbers, whatever it draws
  }
}

function decisionProblem(router: Router, attention: Attention): string | null {
  const what = `${router.constructor.name}.${router.attend ? 'attend' : 'forward'}`;
  for (const [key, given] of Object.entries(attention) as [keyof Attention, Tensor | null][])
    if (given && !ops.isfinite(given).all().item()) return `${what} gives ${key} that are not all finite`;
  if ((router.hasSpatialAttention ?? false) !== (attention.spatial !== null))
    return (
      `hasSpatialAttention is ${shown(router.hasSpatialAttention)}, ` +
      `though ${what} gives ${attention.spatial ? 'one' : 'none'}`
    );
  const sums = attention.coefficients.sum([1]).toArray();
  const other = sums.find((sum) => Math.abs(sum - 1) > 1e-3);
  if (router.sumsToOne && other !== undefined)
    return `sumsToOne is true, but the coefficients of an input sum to ${other.toPrecision(3)}; say false`;
  return null;
}

function list(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

function shown(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string'
    ? String(value)
    : kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value !== 'object') return `a ${typeof value}`;
  const { constructor } = value as { readonly constructor?: unknown };
  return typeof constructor === 'function' && constructor !== Object ? `a ${constructor.name}` : 'an object';
}
