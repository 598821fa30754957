import {
  backward,
  eye,
  grad,
  liveTensors,
  manualSeed,
  nn,
  noGrad,
  ones,
  ops,
  rand,
  randn,
  scope,
  tensor,
  type Tensor,
} from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bank, NoisyTopK, StaticSource } from '../dynamic/index.js';
import {
  Mask,
  partialParameter,
  PartialSource,
  scaleModes,
  SearchSource,
  type ScaleMode,
  type ParameterSource,
} from '../partial/index.js';
import { wholeParameter } from '../partial/wholeParameter.test.fixture.js';
import { MoELinear } from './moeLinear.js';
import { Routing, routingLevels, type RoutingLevel } from './routing.js';

/** Where dynamic entries lie: each is a plan of its own. */
const layouts = ['full', 'empty', 'rows', 'columns', 'entries'] as const;

interface LayerOptions {
  readonly inFeatures?: number;
  readonly outFeatures?: number;
  readonly numExperts?: number;
  readonly k?: number;
  readonly routing?: RoutingLevel;
  /** null for a Bank */
  readonly layout?: (typeof layouts)[number] | null;
  readonly scaleMode?: ScaleMode;
  readonly biased?: boolean;
}

/** A layer in float64 with a router that has been trained. */
function makeLayer({
  inFeatures = 4,
  outFeatures = 3,
  numExperts = 4,
  k = 2,
  routing = 'token',
  layout = null,
  scaleMode = 'both',
  biased = true,
}: LayerOptions = {}): MoELinear {
  const shape = [outFeatures, inFeatures];
  const bank = randn([numExperts, ...shape]);
  const units = { rows: [outFeatures, 1], columns: [1, inFeatures] };
  const source = layout
    ? new PartialSource({
        bank,
        staticWeight: randn(shape),
        scaleMode,
        mask:
          layout === 'full'
            ? Mask.full(shape)
            : layout === 'empty'
              ? Mask.empty(shape)
              : Mask.fromTensor(
                  rand(layout === 'entries' ? shape : units[layout])
                    .lt(0.5)
                    .expand(shape),
                ),
      })
    : new Bank(bank);
  const router = new NoisyTopK({ inFeatures, numExperts, k });
  const biasBank = biased ? randn([numExperts, outFeatures]) : null;
  const layer = new MoELinear({ router, source, biasBank, routing, numTasks: 3 }).to('float64');
  noGrad(() => {
    router.wGate.copy_(randn([inFeatures, numExperts]));
    router.wNoise.copy_(randn([inFeatures, numExperts]));
    if (source instanceof PartialSource) source.phi?.fill_(0.4);
  });
  return layer;
}

function partOf({ source }: MoELinear): PartialSource {
  if (!(source instanceof PartialSource)) throw new Error(`a partial source expected, got ${source.kind}`);
  return source;
}

/** method.md §1 and §2 as written: every expert for every token, and gates that are mostly 0. */
function definition(layer: MoELinear, input: Tensor, { tokenMask, task }: Routing): { output: Tensor; loss: Tensor } {
  const [batch = 0, length = 0, inFeatures = 0] = input.shape;
  const isReal = tokenMask ? tokenMask.toArray() : Array<number>(batch * length).fill(1);
  const positions = isReal.flatMap((real, position) => (real ? [position] : []));
  const flat = input.reshape([-1, inFeatures]);
  const sentences = [...new Set(positions.map((position) => Math.floor(position / length)))];
  const rows = {
    token: (): Tensor[] => positions.map((position) => flat.select(0, position)),
    sentence: (): Tensor[] =>
      sentences.map((sentence) => {
        const own = positions.filter((position) => Math.floor(position / length) === sentence);
        return ops.stack(own.map((position) => flat.select(0, position))).mean([0]);
      }),
    task: (): Tensor[] => [layer.taskEmbedding!.select(0, task)],
  }[layer.routing]();
  const { gates, auxiliaryLoss } = layer.router.forward(ops.stack(rows));
  const weights = definedBank(layer.source);
  const outputs = Array.from({ length: batch * length }, (_, position) => {
    const token = positions.indexOf(position);
    if (token < 0) return flat.newZeros([weights.shape[1]!]);
    const row = { token, sentence: sentences.indexOf(Math.floor(position / length)), task: 0 }[layer.routing];
    const ofExperts = ops.matmul(weights, flat.select(0, position));
    return ops.matmul(gates.select(0, row), layer.biasBank ? ofExperts.add(layer.biasBank) : ofExperts);
  });
  return { output: ops.stack(outputs).reshape([batch, length, -1]), loss: auxiliaryLoss };
}

function definedBank(source: ParameterSource): Tensor {
  const whole = wholeParameter(source);
  return partialParameter(eye(whole.bank.shape[0]!, { dtype: 'float64' }), whole);
}

/** Output, auxiliary loss and the gradients of both together by everything, of noise with the same seed. */
function measure(
  layer: MoELinear,
  input: Tensor,
  run: () => { output: Tensor; loss: Tensor },
): { output: Tensor; loss: Tensor; gradients: (Tensor | null)[] } {
  manualSeed(11);
  const { output, loss } = run();
  const weights = ops.sin(ops.arange(output.numel, { dtype: 'float64' })).reshape(output.shape);
  const leaves = [input, ...layer.parameters()];
  return { output, loss, gradients: grad(output.mul(weights).sum().add(loss), leaves, { allowUnused: true }) };
}

function forward(layer: MoELinear, input: Tensor, routing: Routing): { output: Tensor; loss: Tensor } {
  const output = layer.forward(input, routing);
  return { output, loss: routing.auxiliaryLoss()! };
}

beforeEach(() => {
  manualSeed(5);
});

describe('MoELinear', () => {
  const layers = fc.record({
    batch: fc.integer({ min: 1, max: 3 }),
    length: fc.integer({ min: 1, max: 4 }),
    inFeatures: fc.integer({ min: 1, max: 5 }),
    outFeatures: fc.integer({ min: 1, max: 5 }),
    numExperts: fc.integer({ min: 1, max: 5 }),
    chosen: fc.integer({ min: 1, max: 5 }),
    routing: fc.constantFrom(...routingLevels),
    layout: fc.constantFrom(null, ...layouts),
    scaleMode: fc.constantFrom(...scaleModes),
    biased: fc.boolean(),
    training: fc.boolean(),
    padding: fc.option(fc.array(fc.boolean(), { minLength: 12, maxLength: 12 })),
    seed: fc.nat(),
  });

  it('equals its definition, in outputs, auxiliary loss and gradients', () => {
    fc.assert(
      fc.property(layers, ({ batch, length, chosen, training, padding, seed, ...options }) => {
        scope(() => {
          manualSeed(seed);
          const layer = makeLayer({ ...options, k: Math.min(chosen, options.numExperts) }).train(training);
          const input = randn([batch, length, options.inFeatures], { dtype: 'float64', requiresGrad: true });
          const flags = padding?.slice(0, batch * length);
          fc.pre(flags?.includes(true) ?? true);
          const tokenMask = flags ? tensor(flags).reshape([batch, length]) : null;
          const routing = new Routing({ tokenMask, task: 1 });
          const ours = measure(layer, input, () => forward(layer, input, routing));
          const expected = measure(layer, input, () => definition(layer, input, routing));
          expectClose(ours.output, expected.output, { atol: 1e-10 });
          expectClose(ours.loss, expected.loss, { atol: 1e-10 });
          for (const [index, gradient] of ours.gradients.entries()) {
            const other = expected.gradients[index];
            expectClose(gradient ?? other?.mul(0) ?? 0, other ?? gradient?.mul(0) ?? 0, { atol: 1e-9 });
          }
          const unrecorded = noGrad(() => (manualSeed(11), layer.forward(input, routing)));
          expectClose(unrecorded, expected.output, { atol: 1e-10 });
        });
      }),
      { numRuns: 150 },
    );
  });

  it.each(routingLevels)(
    'with copied experts and a router that has not been trained is the static layer: by %s',
    (routing) => {
      const layer = new nn.Linear({ inFeatures: 6, outFeatures: 5 });
      const copies = (weight: Tensor): Tensor => ops.stack([weight, weight, weight, weight]).detach();
      for (const source of [
        new Bank(copies(layer.weight)),
        new PartialSource({
          bank: copies(layer.weight),
          staticWeight: layer.weight.detach().clone(),
          mask: Mask.fromTensor(rand([5, 6]).lt(0.5)),
        }),
      ]) {
        const router = new NoisyTopK({ inFeatures: 6, numExperts: 4, k: 2 });
        const mixture = new MoELinear({ router, source, biasBank: copies(layer.bias!), routing });
        const input = randn([3, 7, 6]);
        for (const training of [true, false]) {
          expectClose(mixture.train(training).forward(input), layer.forward(input), { atol: 1e-6 });
        }
      }
    },
  );

  it('is the mixture of experts at κ = 1 and the dense layer at κ = 0, gradients included', () => {
    const { router } = makeLayer({ biased: false });
    const bank = randn([4, 3, 4], { dtype: 'float64' });
    const staticWeight = randn([3, 4], { dtype: 'float64' });
    const partial = (mask: Mask): MoELinear =>
      new MoELinear({ router, source: new PartialSource({ bank, staticWeight, mask, scaleMode: 'none' }) });
    const whole = new MoELinear({ router, source: new Bank(bank) });
    const ofStatic = new MoELinear({ router, source: new StaticSource(staticWeight) });
    const input = randn([5, 2, 4], { dtype: 'float64', requiresGrad: true });
    const run = (layer: MoELinear): ReturnType<typeof measure> =>
      measure(layer, input, () => forward(layer, input, new Routing()));
    const byName = (layer: MoELinear): [string, Tensor | null][] => {
      const { gradients } = run(layer);
      return ['x', ...Array.from(layer.namedParameters(), ([name]) => name)].map((name, i) => [name, gradients[i]!]);
    };
    for (const [layer, mask, idle] of [
      [whole, Mask.full([3, 4]), 'source.static_weight'],
      [ofStatic, Mask.empty([3, 4]), 'source.bank'],
    ] as const) {
      const ours = partial(mask);
      expectClose(run(ours).output, run(layer).output, { atol: 1e-12 });
      const gradients = new Map(byName(ours));
      for (const [name, gradient] of byName(layer)) {
        if (gradient) expectClose(gradients.get(name)!, gradient.reshape(gradients.get(name)!.shape), { atol: 0 });
      }
      expect(gradients.get(idle)?.numel ?? 0).toBe(0);
    }
    expectClose(run(partial(Mask.empty([3, 4]))).output, ops.linear(input, staticWeight), { atol: 1e-12 });
  });

  it.each(['entries', 'rows', 'columns'] as const)(
    'gives the saliency ∂L/∂M of %s that finite differences give',
    (layout) => {
      const made = makeLayer({ layout });
      const source = new SearchSource({
        bank: randn([4, 3, 4], { dtype: 'float64' }),
        staticWeight: randn([3, 4], { dtype: 'float64' }),
        mask: partOf(made).mask,
      });
      const layer = new MoELinear({ router: made.router, source, biasBank: made.biasBank });
      const input = randn([2, 3, 4], { dtype: 'float64' });
      const loss = (): Tensor => (manualSeed(11), layer.forward(input).square().sum());
      source.withMaskVariable((mask) => {
        const [gradient] = grad(loss(), [mask]);
        const values = mask.data as Float64Array;
        const eps = 1e-6;
        gradient!.toArray().forEach((ours, index) => {
          const at = (value: number): number => ((values[index] = value), noGrad(() => loss().item()));
          const original = values[index]!;
          const numeric = (at(original + eps) - at(original - eps)) / (2 * eps);
          values[index] = original;
          expect(ours).toBeCloseTo(numeric, 4);
        });
      });
    },
  );

  it.each([null, ...layouts])('gives the same by plan dense, which can be differentiated twice (%s)', (layout) => {
    const layer = makeLayer({ layout });
    const input = randn([5, 4], { dtype: 'float64' });
    const run = (plan: 'dense' | 'composed'): Tensor => {
      layer.plan = plan;
      return (manualSeed(4), layer.forward(input));
    };
    expectClose(run('dense'), run('composed'), { atol: 1e-12 });
    const [gradient] = grad(run('dense').square().sum(), [layer.source.parameters()[0]!], { createGraph: true });
    expect(gradient!.requiresGrad).toBe(true);
  });

  it('needs a router for as many experts as the source has', () => {
    const router = new NoisyTopK({ inFeatures: 2, numExperts: 3, k: 1 });
    expect(() => new MoELinear({ router, source: new Bank(randn([4, 5, 2])) })).toThrow(
      'the router chooses from 3 experts, the source has 4',
    );
  });

  it('takes [tokens, inFeatures] for one sentence, and a mask of its tokens', () => {
    const layer = makeLayer({ routing: 'sentence' }).eval();
    const input = randn([3, 4, 4], { dtype: 'float64' });
    const [first, second] = [0, 1].map((sentence) => layer.forward(input.select(0, sentence)));
    const together = layer.forward(input);
    expectClose(together.select(0, 0), first!, { atol: 1e-12 });
    expectClose(together.select(0, 1), second!, { atol: 1e-12 });
    const tokenMask = rand([3, 4]).lt(0.7);
    const flat = layer.forward(input.reshape([12, 4]), new Routing({ tokenMask }));
    expectClose(flat, layer.forward(input, new Routing({ tokenMask })).reshape([12, 3]), { atol: 1e-12 });
  });

  it('leaves padding out: neither its values nor its number matter', () => {
    for (const routing of routingLevels) {
      const layer = makeLayer({ routing, layout: 'entries' }).eval();
      const input = randn([2, 3, 4], { dtype: 'float64' });
      const padded = ops.cat([input, ops.full([2, 2, 4], NaN, { dtype: 'float64' })], { dim: 1 });
      const tokenMask = tensor([1, 1, 1, 0, 0].map(Boolean)).expand([2, 5]);
      const [short, long] = [new Routing(), new Routing({ tokenMask })];
      const output = layer.forward(padded, long);
      expectClose(output.narrow(1, 0, 3), layer.forward(input, short), { atol: 1e-12 });
      expect(output.narrow(1, 3, 2).abs().sum().item()).toBe(0);
      expectClose(long.auxiliaryLoss()!, short.auxiliaryLoss()!, { atol: 1e-12 });
    }
  });

  it('says which rows decided, and for which tokens', () => {
    const tokenMask = tensor([[true, true, false], [false, false, false], [true, false, false]]); // prettier-ignore
    const input = randn([3, 3, 4], { dtype: 'float64' });
    const decided = (level: RoutingLevel): [number, number[] | null] => {
      const routing = new Routing({ tokenMask, task: 2 });
      makeLayer({ routing: level }).forward(input, routing);
      const [{ gates, rowOf, level: said }] = routing.decisions as [(typeof routing.decisions)[number]];
      expect(said).toBe(level);
      return [gates.shape[0]!, rowOf?.toArray() ?? null];
    };
    expect(decided('token')).toEqual([3, null]);
    expect(decided('sentence')).toEqual([2, [0, 0, 1]]);
    expect(decided('task')).toEqual([1, [0, 0, 0]]);
  });

  it.each(layouts)('is defined for an empty batch, all padding, and experts without tokens: %s', (layout) => {
    for (const routing of routingLevels) {
      const layer = makeLayer({ routing, layout, numExperts: 5, k: 1 });
      for (const [shape, tokenMask] of [
        [[0, 3], null],
        [[2, 3], ops.zeros([2, 3], { dtype: 'bool' })],
        [[1, 1], null],
      ] as const) {
        const input = randn([...shape, 4], { dtype: 'float64', requiresGrad: true });
        const decided = new Routing({ tokenMask });
        const output = layer.forward(input, decided);
        expect(output.shape).toEqual([...shape, 3]);
        if (tokenMask || shape[0] === 0) expect(decided.auxiliaryLoss()!.item()).toBe(0);
        layer.zeroGrad();
        backward(output.sum().add(decided.auxiliaryLoss()!));
        for (const { grad: gradient } of [input, ...layer.parameters()]) {
          expect(gradient?.toArray().every(Number.isFinite) ?? true).toBe(true);
        }
      }
    }
  });

  it('leaks nothing in a training step, and computes merged weights once in evaluation', () => {
    const layer = makeLayer({ layout: 'entries' });
    const input = randn([2, 3, 4], { dtype: 'float64' });
    const step = (): void => {
      scope(() => {
        const routing = new Routing();
        backward(layer.forward(input, routing).sum().add(routing.auxiliaryLoss()!));
        layer.zeroGrad();
      });
    };
    step();
    const before = liveTensors();
    step();
    expect(liveTensors()).toBe(before);
    layer.eval();
    const source = partOf(layer);
    scope(() => noGrad(() => layer.forward(input)));
    const merged = noGrad(() => source.effective(true).bank!);
    scope(() => noGrad(() => layer.forward(input)));
    expect(noGrad(() => source.effective(true).bank!)).toBe(merged);
  });

  it('counts what it multiplies', () => {
    const count = (options: LayerOptions, shape: number[]): number =>
      makeLayer({ inFeatures: 4, outFeatures: 6, numExperts: 5, k: 2, biased: false, ...options }).countMacs(shape);
    const router = 4 * 5;
    expect(count({}, [3, 7, 4])).toBe(21 * (router + 2 * 24));
    expect(count({ biased: true }, [21, 4])).toBe(21 * (router + 2 * 24 + 5 * 6));
    expect(count({ routing: 'sentence' }, [3, 7, 4])).toBe(3 * router + 21 * 2 * 24);
    expect(count({ routing: 'task' }, [3, 7, 4])).toBe(router + 21 * 2 * 24);
    expect(count({ layout: 'empty' }, [3, 7, 4])).toBe(21 * (router + 24));
    expect(count({ layout: 'entries' }, [3, 7, 4])).toBe(21 * (router + 2 * 24));
    const { router: gating } = makeLayer({ numExperts: 5 });
    const mask = Mask.fromTensor(tensor([1, 1, 0, 0, 0, 0]).unsqueeze(1).expand([6, 4]));
    const source = new PartialSource({ bank: randn([5, 6, 4]), staticWeight: randn([6, 4]), mask });
    expect(new MoELinear({ router: gating, source }).countMacs([3, 7, 4])).toBe(21 * (router + 2 * 8 + 16));
  });

  it('refuses a mask of other tokens and tasks that it has not', () => {
    const layer = makeLayer({ routing: 'task' });
    const input = randn([2, 3, 4], { dtype: 'float64' });
    expect(() => layer.forward(input, new Routing({ tokenMask: ones([2, 4], { dtype: 'bool' }) }))).toThrow(
      'expected a token mask for 6 tokens, got [2, 4]',
    );
    for (const task of [3, -1, 0.5]) {
      expect(() => layer.forward(input, new Routing({ task }))).toThrow(
        `task must be a whole number from 0 to 2, got ${task}`,
      );
    }
  });
});
