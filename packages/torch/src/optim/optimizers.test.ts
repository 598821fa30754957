/** Contract of every optimizer: PyTorch's numbers, exact continuation, and what it refuses. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  arange,
  liveTensors,
  nn,
  noGrad,
  ops,
  optim,
  randn,
  scope,
  tensor,
  type DType,
  type Tensor,
} from '../index.js';
import { adamw_, sgd_ } from '../nativeOperators.js';
import { expectClose } from '../testing/index.js';
import { references } from './references.generated.js';

type Parameters = [name: string, parameter: nn.Parameter][];
type Build = (parameters: Parameters) => optim.Optimizer<{ readonly learningRate: number }>;

function start(dtype: DType): Parameters {
  return scope(() => [
    ['layer.w', new nn.Parameter(arange(0, 6, { dtype: 'float64' }).sin().reshape([2, 3]).to(dtype))],
    ['layer.b', new nn.Parameter(tensor([0.5, -1], { dtype }))],
  ]);
}

/** As `references.py`: the gradient of w at step t is cos((t + 1) w); b has none at step 1. */
function setGradients(parameters: Parameters, step: number): void {
  scope(() => {
    for (const [, parameter] of parameters) {
      parameter.grad = noGrad(() => parameter.detach().mul(step + 1).cos()); // prettier-ignore
    }
    if (step === 1) parameters[1]![1].grad = null;
  });
}

function values(parameters: Parameters): number[] {
  return parameters.flatMap(([, parameter]) => parameter.toArray());
}

const cases: [keyof Omit<typeof references, 'clipped'>, DType, Build][] = [
  ['sgd', 'float64', (p) => new optim.SGD(p, { learningRate: 0.1 })],
  ['sgdMomentum', 'float64', (p) => new optim.SGD(p, { learningRate: 0.1, momentum: 0.9, dampening: 0.3 })],
  [
    'sgdNesterov',
    'float64',
    (p) => new optim.SGD(p, { learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.05 }),
  ],
  ['sgdNesterovPlain', 'float64', (p) => new optim.SGD(p, { learningRate: 0.1, momentum: 0.9, nesterov: true })],
  [
    'sgdNesterovFloat32',
    'float32',
    (p) => new optim.SGD(p, { learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.05 }),
  ],
  [
    'sgdGroups',
    'float64',
    ([w, b]) =>
      new optim.SGD(
        [
          { parameters: [w!], weightDecay: 0.1 },
          { parameters: [b!], learningRate: 0.5 },
        ],
        { learningRate: 0.1, momentum: 0.5 },
      ),
  ],
  ['adam', 'float64', (p) => new optim.Adam(p, { learningRate: 0.02 })],
  [
    'adamDecay',
    'float64',
    (p) => new optim.Adam(p, { learningRate: 0.02, betas: [0.8, 0.95], eps: 1e-3, weightDecay: 0.2 }),
  ],
  ['adamw', 'float64', (p) => new optim.AdamW(p)],
  [
    'adamwOptions',
    'float64',
    (p) => new optim.AdamW(p, { learningRate: 0.02, betas: [0.8, 0.95], eps: 1e-3, weightDecay: 0.2 }),
  ],
  ['adamwFloat32', 'float32', (p) => new optim.AdamW(p, { learningRate: 0.02 })],
  [
    'adamwGroups',
    'float64',
    ([w, b]) =>
      new optim.AdamW(
        [
          { parameters: [w!], weightDecay: 0 },
          { parameters: [b!], learningRate: 0.5, betas: [0.5, 0.9] },
        ],
        { learningRate: 0.1 },
      ),
  ],
];

describe.each(cases)('%s', (name, dtype, build) => {
  let parameters: Parameters;
  let optimizer: ReturnType<Build>;
  beforeEach(() => {
    parameters = start(dtype);
    optimizer = build(parameters);
  });
  const take = (steps: readonly number[]): void => {
    for (const step of steps) {
      setGradients(parameters, step);
      optimizer.step();
    }
  };

  it('steps as PyTorch does', () => {
    for (const [step, expected] of references[name].entries()) {
      take([step]);
      const tolerance = dtype === 'float64' ? { atol: 1e-14, rtol: 1e-13 } : { atol: 1e-7, rtol: 1e-6 };
      expectClose(tensor(values(parameters), { dtype: 'float64' }), expected, tolerance);
    }
  });

  it('goes on bit for bit from a saved state', () => {
    take([0, 1]);
    optimizer.learningRateScale = 0.3;
    const state = optimizer.stateDict();
    const saved = {
      tensors: new Map(Array.from(state.tensors, ([key, value]) => [key, value.clone().keep()])),
      numbers: JSON.parse(JSON.stringify(state.numbers)) as Record<string, number>,
    };
    const weights = parameters.map(([key, parameter]) => [key, parameter.detach().clone()] as const);
    take([2, 3]);
    const uninterrupted = values(parameters);

    parameters = weights.map(([key, weight]) => [key, new nn.Parameter(weight)]);
    optimizer = build(parameters);
    optimizer.loadStateDict(saved);
    take([2, 3]);
    expect(values(parameters)).toEqual(uninterrupted);
  });

  it('passes over parameters without a gradient, and scales all learning rates', () => {
    const before = values(parameters);
    optimizer.step();
    expect(values(parameters)).toEqual(before);
    expect(optimizer.stateDict().tensors.size).toBe(0);
    optimizer.learningRateScale = 0;
    take([0]);
    expect(values(parameters)).toEqual(before);
    optimizer.zeroGrad();
    expect(parameters.map(([, parameter]) => parameter.grad)).toEqual([null, null]);
  });

  it('leaves the gradients as they are', () => {
    take([0]);
    setGradients(parameters, 2);
    const gradients = (): number[][] => scope(() => parameters.map(([, { grad }]) => grad!.toArray()));
    const before = gradients();
    optimizer.step();
    expect(gradients()).toEqual(before);
  });

  it('leaks nothing', () => {
    take([0, 0]);
    const live = liveTensors();
    take([0, 0, 0]);
    expect(liveTensors()).toBe(live);
    optimizer.loadStateDict(optimizer.stateDict());
    expect(liveTensors()).toBe(live);
  });
});

describe('a step in one pass', () => {
  const shape = [3, 70_001]; // several pieces, and none of a whole number of vectors
  type Change = (value: Tensor) => Tensor;
  const kinds: readonly [string, DType, Change, Change][] = [
    ['float32', 'float32', (w) => w, (g) => g],
    ['a gradient in another order', 'float32', (w) => w, (g) => g.t().contiguous().t()],
    ['parameters in another order', 'float64', (w) => w.t().contiguous().t(), (g) => g],
    ['every other element', 'float32', (w) => ops.stack([w, w], { dim: 2 }).select(2, 0), (g) => g],
    ['bfloat16', 'bfloat16', (w) => w, (g) => g],
  ];

  it.each(kinds)('%s: as the formula, by libtorch’s operators', (_, dtype, order, orderGradient) => {
    const start = randn(shape, { dtype: 'float64' }).to(dtype);
    const gradients = [1, 2].map((by) => start.mul(by).sin());
    const stepped = (build: Build): Tensor => {
      const parameter = new nn.Parameter(order(start.clone()));
      const optimizer = build([['w', parameter]]);
      for (const gradient of gradients) {
        parameter.grad = orderGradient(gradient.clone());
        optimizer.step();
      }
      return parameter.detach();
    };
    const tolerance = { float32: 2e-6, float64: 1e-14, bfloat16: 0.07 }[dtype as 'float32'];
    noGrad(() => {
      let [w, b] = [start.clone(), start.zerosLike()];
      for (const [t, gradient] of gradients.entries()) {
        const g = gradient.add(w, { alpha: 0.01 });
        b = t === 0 ? g : b.mul(0.9).add(g);
        w = w.sub(g.add(b, { alpha: 0.9 }), { alpha: 0.1 });
      }
      const sgd = stepped(
        (p) => new optim.SGD(p, { learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
      );
      expect(sgd.sub(w).abs().max().item()).toBeLessThan(tolerance);

      w = start.clone();
      let [m, v] = [start.zerosLike(), start.zerosLike()];
      for (const [t, g] of gradients.entries()) {
        m = m.mul(0.9).add(g, { alpha: 1 - 0.9 });
        v = v.mul(0.99).add(g.square(), { alpha: 1 - 0.99 });
        const denominator = v
          .div(1 - 0.99 ** (t + 1))
          .sqrt()
          .add(1e-8);
        w = w.mul(1 - 0.02 * 0.1).sub(m.div(1 - 0.9 ** (t + 1)).div(denominator), { alpha: 0.02 });
      }
      const adamw = stepped((p) => new optim.AdamW(p, { learningRate: 0.02, betas: [0.9, 0.99], weightDecay: 0.1 }));
      expect(adamw.sub(w).abs().max().item()).toBeLessThan(tolerance);
    });
  });

  it('refuses lists that do not belong together, and to change what is being recorded', () => {
    const [w, v] = [randn([2]), randn([3])];
    expect(() => {
      sgd_([w], [v], [], 1, 0, 0, 0, false);
    }).toThrow('parameter 0 is [2], what belongs to it [3]');
    expect(() => {
      sgd_([w], [], [], 1, 0, 0, 0, false);
    }).toThrow('got 0 for 1 parameters');
    expect(() => {
      adamw_([w], [w], [w.clone()], [w.clone()], [], 1, 0.9, 0.9, 0, 0);
    }).toThrow('expected 1 steps, got 0');
    w.requiresGrad = true;
    expect(() => {
      sgd_([w], [w.detach()], [], 1, 0, 0, 0, false);
    }).toThrow('only without recording');
  });
});

describe('groups and states', () => {
  const fresh = (): optim.AdamW => new optim.AdamW(start('float32'));

  it('a group has the options of the optimizer but for its own; a change counts from the next step', () => {
    const [w, b] = start('float64');
    const optimizer = new optim.SGD([{ parameters: [w!], learningRate: 0.5 }, { parameters: [b!] }], {
      learningRate: 0.1,
    });
    expect(optimizer.groups.map(({ names, options }) => [names, options.learningRate])).toEqual([
      [['layer.w'], 0.5],
      [['layer.b'], 0.1],
    ]);
    optimizer.groups[1]!.options.learningRate = 1;
    b![1].grad = tensor([1, 2], { dtype: 'float64' });
    optimizer.step();
    expect(b![1].toArray()).toEqual([-0.5, -3]);
  });

  it('takes the parameters of a module', () => {
    const net = new nn.Linear({ inFeatures: 1, outFeatures: 1 });
    const optimizer = new optim.SGD(net.namedParameters(), { learningRate: 1, momentum: 0.9 });
    for (const parameter of net.parameters()) parameter.grad = parameter.detach().clone();
    optimizer.step();
    expectClose(net.weight, [[0]]);
    expect([...optimizer.stateDict().tensors.keys()]).toEqual(['momentumBuffer.weight', 'momentumBuffer.bias']);
  });

  it('takes what PyTorch users give: parameters without names, which are numbered, and groups of them', () => {
    const net = new nn.Sequential(
      new nn.Linear({ inFeatures: 2, outFeatures: 2 }),
      new nn.Linear({ inFeatures: 2, outFeatures: 1 }),
    );
    const step = (optimizer: optim.SGD): void => {
      for (const parameter of net.parameters()) parameter.grad = parameter.detach().clone();
      optimizer.step();
    };
    const plain = new optim.SGD(net.parameters(), { learningRate: 1, momentum: 0.5 });
    step(plain);
    for (const parameter of net.parameters()) expectClose(parameter, parameter.zerosLike());
    expect([...plain.stateDict().tensors.keys()]).toEqual([0, 1, 2, 3].map((i) => `momentumBuffer.${i}`));
    const [first, second] = net.items;
    const groups = [
      { parameters: first!.parameters(), learningRate: 0 },
      { parameters: new Set(second!.parameters()) },
    ];
    const grouped = new optim.SGD(groups, { learningRate: 0.5 });
    expect(grouped.groups.map(({ names }) => names)).toEqual([
      ['0', '1'],
      ['2', '3'],
    ]);
    noGrad(() => {
      for (const parameter of net.parameters()) parameter.fill_(1);
    });
    step(grouped);
    expect(net.parameters().map((parameter) => parameter.mean().item())).toEqual([1, 1, 0.5, 0.5]);
  });

  it('refuses parameters that are none, or come twice', () => {
    const [w, b] = start('float32');
    const options = { learningRate: 0.1 };
    expect(() => new optim.SGD([], options)).toThrow('the optimizer was given no parameters');
    expect(() => new optim.SGD([w!, ['layer.w', b![1]]], options)).toThrow("two parameters are named 'layer.w'");
    expect(() => new optim.SGD([w!, ['other', w![1]]], options)).toThrow(
      "'other' and 'layer.w' are the same parameter",
    );
    const net = new nn.Linear({ inFeatures: 1, outFeatures: 1 });
    const given = (parameters: unknown) => () => new optim.SGD(parameters as optim.NamedParameters, options);
    expect(given(net)).toThrow('SGD: expected parameters, got a module: give its namedParameters()');
    expect(given(w![1])).toThrow('SGD: expected a list of parameters, got one: [parameter]');
    expect(given(undefined)).toThrow('SGD: expected parameters, as module.namedParameters() gives them, got undefined');
    expect(given([w![1], 'b'])).toThrow(
      'SGD: expected parameters, or pairs of a name and a parameter, found b at position 1',
    );
    expect(given([{ params: net.parameters() }])).toThrow('found an object with params at position 0');
    expect(given([{ parameters: [w] }, b])).toThrow('was given both parameters and groups of them');
    expect(given([w![1].mul(2)])).toThrow(/'0' is the result of MulBackward.: give the parameters that it is of/);
  });

  it('refuses options that it does not know, and a value in their place', () => {
    const p = start('float32');
    expect(() => new optim.SGD(p, { lr: 0.1 } as never)).toThrow(
      "SGD: unknown option 'lr'; known are learningRate, momentum, dampening, nesterov, weightDecay",
    );
    expect(() => new optim.AdamW(p, 0.1 as never)).toThrow(
      'AdamW: expected options by name, such as { learningRate: … }, got 0.1',
    );
    expect(() => new optim.Adam([{ parameters: p, decay: 1 } as never])).toThrow("Adam: unknown option 'decay'");
    expect(() => new optim.SGD(p, {} as never)).toThrow(
      'learningRate must be a finite number of at least 0, got undefined',
    );
  });

  it('refuses options out of range, in groups too', () => {
    const p = start('float32');
    const sgd = (options: Partial<optim.SGDOptions>) => () => new optim.SGD(p, { learningRate: 0.1, ...options });
    expect(sgd({ learningRate: -1 })).toThrow('learningRate must be a finite number of at least 0, got -1');
    expect(sgd({ learningRate: NaN })).toThrow('learningRate must be');
    expect(sgd({ momentum: -0.1 })).toThrow('momentum must be');
    expect(sgd({ dampening: 2 })).toThrow('dampening must be between 0 and 1');
    expect(sgd({ nesterov: true })).toThrow('nesterov needs a momentum above 0');
    expect(() => new optim.AdamW(p, { betas: [0.9, 1] })).toThrow('betas must be at least 0 and less than 1, got 1');
    expect(() => new optim.AdamW(p, { eps: Infinity })).toThrow('eps must be');
    expect(() => new optim.AdamW([{ parameters: p, weightDecay: -1 }])).toThrow('weightDecay must be');
  });

  it('refuses states of other parameters, and changes nothing then', () => {
    const optimizer = fresh();
    const good: Record<string, Tensor> = {
      'expAvg.layer.b': tensor([1, 2]),
      'expAvgSq.layer.b': tensor([3, 4]),
    };
    const load = (tensors: Record<string, Tensor>, numbers: Record<string, number>) => () => {
      optimizer.loadStateDict({ tensors: new Map(Object.entries(tensors)), numbers });
    };
    const numbers = { learningRateScale: 1, 'step.layer.b': 5 };
    expect(load({ ...good, 'expAvg.fc': tensor([1]) }, numbers)).toThrow(
      'the state does not fit AdamW: unexpected expAvg.fc',
    );
    expect(load({ ...good, 'expAvg.layer.b': tensor([1]) }, numbers)).toThrow(
      'expAvg.layer.b is float32 [1], expected float32 [2]',
    );
    expect(load({ 'expAvg.layer.b': tensor([1, 2]) }, numbers)).toThrow('missing expAvgSq.layer.b');
    expect(load(good, { learningRateScale: 1 })).toThrow('missing step.layer.b');
    expect(load(good, { 'step.layer.b': 5 })).toThrow('missing learningRateScale');
    expect(load(good, { ...numbers, 'step.fc': 1 })).toThrow('unexpected step.fc');
    expect(load(good, { ...numbers, 'step.layer.b': NaN })).toThrow('step.layer.b is NaN, expected a number');
    expect(optimizer.stateDict().tensors.size).toBe(0);
    load(good, numbers)();
    expect(optimizer.stateDict().numbers).toEqual(numbers);
    expect(optimizer.stateDict().tensors.get('expAvgSq.layer.b')!.toArray()).toEqual([3, 4]);
  });
});

describe('parameters that the network no longer has', () => {
  const linear = (): nn.Linear => new nn.Linear({ inFeatures: 2, outFeatures: 2 });
  class Net extends nn.Module {
    body: nn.Module = new nn.Sequential(linear(), linear());
    head = linear();
  }
  const changes: readonly [string, string, (net: Net) => void][] = [
    [
      'replaceModule',
      "'body.1.weight' and 1 more are no longer parameters",
      (net) => {
        net.replaceModule('body.1', linear());
      },
    ],
    [
      'setChild',
      "'head.weight' and 1 more are no longer parameters",
      (net) => {
        net.setChild('head', linear());
      },
    ],
    ['assignment', "'head.weight' and 1 more are no longer parameters", (net) => void (net.head = linear())],
    ['a new body', "'body.0.weight' and 3 more are no longer parameters", (net) => void (net.body = new nn.Identity())],
    ['one', "'head.bias' is no longer a parameter", (net) => Object.assign(net.head, { bias: null })],
  ];

  it.each(changes)('are refused at the next step: %s', (_, message, change) => {
    for (const parametersOf of [
      (net: Net) => net.namedParameters(),
      (net: Net) => [{ parameters: [...net.namedParameters()] }],
    ]) {
      const net = new Net();
      const optimizer = new optim.SGD(parametersOf(net), { learningRate: 1 });
      for (const parameter of net.parameters()) parameter.grad = parameter.onesLike();
      optimizer.step();
      const before = net.parameters().map((parameter) => parameter.toArray());
      const held = net.parameters();
      change(net);
      const expected = `SGD: ${message} of the Net: ` + 'modules were replaced or freed after the optimizer was made';
      expect(() => {
        optimizer.step();
      }).toThrow(expected);
      expect(() => {
        optimizer.zeroGrad();
      }).toThrow(expected);
      expect(held.map((parameter) => parameter.toArray())).toEqual(before);
      new optim.SGD(net.parameters(), { learningRate: 1 }).step();
    }
  });

  it('are refused where they were freed, from a module or not', () => {
    const [kept, freed] = [new nn.Parameter(tensor([1])), new nn.Parameter(tensor([1]))];
    const optimizer = new optim.AdamW([kept, freed]);
    optimizer.step();
    freed[Symbol.dispose]();
    expect(() => {
      optimizer.step();
    }).toThrow("AdamW: '1' is no longer a parameter");
  });

  it('are no concern of one that has the parameters of a part, or of several networks', () => {
    const [first, second] = [new Net(), new Net()];
    const head = new optim.SGD(first.head.parameters(), { learningRate: 1 });
    const both = new optim.SGD([...first.parameters(), ...second.parameters()], { learningRate: 1 });
    first.to('float64');
    first.replaceModule('body.0', linear());
    head.step();
    expect(() => {
      both.step();
    }).toThrow("'0' and 1 more are no longer parameters of the Net");
  });
});
