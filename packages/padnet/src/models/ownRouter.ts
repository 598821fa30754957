/** Routers of one's own, from a file: `model.router` of a recipe. See `examples/src/ownRouter.ts`. */
import { defaultGenerator, Generator, nn, noGrad, ops, randn, scope, Tensor } from '@padnet/torch';
import type { RouterFactory } from '../convert/index.js';
import { attend, type Attention, type Router } from '../dynamic/index.js';
import { InputError } from '../errors.js';
import { loadCode, type CodeOptions } from '../ownCode/index.js';

export interface OwnRouter {
  readonly router: RouterFactory;
  /** The file, with the checksum of what was run. */
  readonly reference: string;
}

const expected = 'expected `export default (geometry, numKernels) => …`, a function that makes the router of a layer';

/**
 * The default export of a file, a function that makes the router of each convolution. Each router is tried on two random inputs when it
 * is made, so that one that does not keep what `Router` says is told at once.
 *
 * @param reference path of the file, as in `model.router`
 * @throws InputError where it may not be run, fails, or exports something else
 */
export function loadRouter(reference: string, options: CodeOptions): OwnRouter {
  const { exported, file, reference: pinned } = loadCode(reference, 'model.router', options);
  const wrong = (what: string, cause?: unknown): InputError =>
    new InputError(`model.router: ${file}: ${what}`, { cause });
  if (typeof exported !== 'function') throw wrong(`${expected}; the default export is ${kindOf(exported)}`);
  if (/^class\b/.test(Function.prototype.toString.call(exported)))
    throw wrong(`${expected}; the default export is a class: export a function that makes one of it`);
  const make = exported as (geometry: nn.ConvGeometry, numKernels: number) => unknown;
  const router: RouterFactory = (geometry, numKernels) => {
    let made: unknown;
    try {
      made = make(geometry, numKernels);
    } catch (error) {
      throw wrong(`making the router failed: ${(error as Error).message}`, error);
    }
    const problem = routerProblem(made, geometry, numKernels);
    if (problem !== null) throw wrong(problem.what, problem.cause);
    return made as Router;
  };
  return { router, reference: pinned };
}

interface Problem {
  readonly what: string;
  readonly cause?: unknown;
}

/** What a router does not keep of its contract; null where it keeps it. */
function routerProblem(made: unknown, geometry: nn.ConvGeometry, numKernels: number): Problem | null {
  if (!(made instanceof nn.Module))
    return { what: `expected an nn.Module of @padnet/torch for each layer, got ${kindOf(made)}` };
  const router = made as Partial<Router> & nn.Module;
  const name = router.constructor.name;
  if (router.numKernels !== numKernels)
    return { what: `${name}.numKernels is ${shown(router.numKernels)}, expected K = ${numKernels}` };
  if (typeof router.sumsToOne !== 'boolean')
    return {
      what: `${name}.sumsToOne is ${shown(router.sumsToOne)}, expected true or false: whether the coefficients of an input sum to 1`,
    };
  for (const method of ['forward', 'countMacs'] as const)
    if (typeof router[method] !== 'function')
      return { what: `${name}.${method} is ${shown(router[method])}, expected a method` };
  return answerProblem(router as Router, geometry);
}

/** The same for what it answers. */
function answerProblem(router: Router, geometry: nn.ConvGeometry): Problem | null {
  const { name } = router.constructor;
  const shape = [2, geometry.inChannels, ...geometry.kernelSize.map(() => 8)];
  const macs: unknown = router.countMacs(shape);
  if (!(typeof macs === 'number' && Number.isFinite(macs) && macs >= 0))
    return {
      what: `${name}.countMacs gives ${shown(macs)} for an input of ${list(shape)}, expected a number of multiplications`,
    };
  return scope(() =>
    noGrad(() => {
      using _mode = nn.evaluationMode(router);
      const random = defaultGenerator.getState();
      try {
        return attentionProblem(router, attend(router, randn(shape, { generator: new Generator(0) })), geometry);
      } catch (error) {
        const what = `${name}.${router.attend ? 'attend' : 'forward'} fails for an input of ${list(shape)}: ${(error as Error).message}`;
        return { what, cause: error };
      } finally {
        defaultGenerator.setState(random); // networks start from the same numbers, whatever it draws
      }
    }),
  );
}

function attentionProblem(router: Router, attention: Attention, geometry: nn.ConvGeometry): Problem | null {
  const { inChannels, outChannels, kernelSize } = geometry;
  const what = `${router.constructor.name}.${router.attend ? 'attend' : 'forward'}`;
  const positions = kernelSize.reduce((product, size) => product * size, 1);
  const shapes = { coefficients: router.numKernels, spatial: positions, channel: inChannels, filter: outChannels };
  for (const [key, width] of Object.entries(shapes) as [keyof Attention, number][]) {
    const given: unknown = attention[key];
    if (given === null && key !== 'coefficients') continue;
    const expectedShape = list([2, width]);
    if (!(given instanceof Tensor))
      return { what: `${what} gives ${kindOf(given)} as ${key}, expected a tensor ${expectedShape}: [batch, …]` };
    if (list(given.shape) !== expectedShape)
      return {
        what: `${what} gives ${key} of ${list(given.shape)} for two inputs, expected ${expectedShape}: [batch, …]`,
      };
    if (!ops.isfinite(given).all().item()) return { what: `${what} gives ${key} that are not all finite` };
  }
  if ((router.hasSpatialAttention ?? false) !== (attention.spatial !== null))
    return {
      what: `hasSpatialAttention is ${shown(router.hasSpatialAttention)}, though ${what} gives ${attention.spatial ? 'one' : 'none'}`,
    };
  const sums = attention.coefficients.sum([1]).toArray();
  const other = sums.find((sum) => Math.abs(sum - 1) > 1e-3);
  if (router.sumsToOne && other !== undefined)
    return { what: `sumsToOne is true, but the coefficients of an input sum to ${other.toPrecision(3)}; say false` };
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
  if (typeof value === 'object')
    return Object.getPrototypeOf(value) === Object.prototype ? 'an object' : `a ${value.constructor.name}`;
  return `a ${typeof value}`;
}
