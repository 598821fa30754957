/**
 * SynFlow (Tanaka et al. 2020, arXiv 2006.05467; method.md §3): how much of the flow from inputs to outputs passes an
 * entry, without data. Let R be the sum of the outputs for an input of ones where every parameter is its absolute
 * value:
 *
 *     s_j = Σ_k |Θ_kj| · ∂R/∂Φ_kj   at Φ = M ⊙ |Θ|
 *
 * R has to be linear in the parameters of each layer, so that what flows in flows out: biases, β and running means are
 * 0, batch norm only scales, and routers give every input the same coefficients, as they do where all their parameters
 * are 0 (those of DCD, which would be 0 too, are 1 / K). A product over many layers needs the range of float64.
 */
import { setImmediate } from 'node:timers/promises';
import { grad, nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import { InputError } from '../../errors.js';
import { DecomposedConv2d, isDynamicConvolution } from '../../layers/index.js';
import type { Saliency } from './saliency.js';
import { timesBank, withBankVariables } from './scoring.js';

/** The value of every element of the input. Scores are relative, and small numbers stay where ReLU6 is linear too. */
const one = 1e-250;

export const synFlow: Saliency = {
  name: 'synFlow',
  async score({ network, sources, sampleShape }) {
    if (!isLayer(network) || sampleShape === null) {
      throw new InputError(
        'synFlow needs a network that takes an input of ones and is linear but for its ReLUs, which a text encoder ' +
          'is not; choose another saliency, such as maskGradient',
      );
    }
    await setImmediate(); // the event loop runs between rounds, and never sees the network changed
    return withAbsoluteParameters(network, () =>
      scope(() => {
        const { device } = [...sources.values()][0]!.bank;
        const input = ops.full([1, ...sampleShape], one, { dtype: 'float64', device });
        const gradients = withEvenCoefficients(network, () =>
          withBankVariables(sources, (banks) => grad(network.forward(input).sum(), banks)),
        );
        const scores = timesBank(sources, gradients);
        return new Map(Array.from(sources.keys(), (path, index) => [path, scores[index]!.keep()]));
      }),
    );
  },
};

/** The result of `body`, while DCD's routers weigh all kernels alike. */
function withEvenCoefficients<T>(network: nn.Module, body: () => T): T {
  const routers = Array.from(network.namedModules()).flatMap(([, module]) =>
    module instanceof DecomposedConv2d ? [module.router] : [],
  );
  const restore = routers.map((router) => {
    const { fc, numKernels } = router;
    return nn.replaceForward(
      router,
      () => (input: Tensor) => fc.weight.newOnes([input.shape[0]!, numKernels]).div(numKernels),
    );
  });
  try {
    return body();
  } finally {
    for (const end of restore) end();
  }
}

function isLayer(network: nn.Module): network is nn.Layer {
  return 'forward' in network;
}

/**
 * Everything in float64; all is as before when `body` returns or throws, but gradients of parameters, which are
 * dropped.
 */
function withAbsoluteParameters<T>(network: nn.Module, body: () => T): T {
  const replaced = new Map<nn.Parameter | nn.Buffer, Tensor>();
  try {
    for (const [tensor, change] of flowTensors(network)) {
      const before = tensor.detach().keep();
      replaced.set(tensor, before);
      scope(() => {
        noGrad(() => {
          tensor.moveTo(change(before.to('float64')));
        });
      });
    }
    return body();
  } finally {
    for (const [tensor, before] of replaced) {
      tensor.moveTo(before);
      before[Symbol.dispose]();
    }
  }
}

/** The change that each floating parameter and buffer undergoes. */
function flowTensors(network: nn.Module): Map<nn.Parameter | nn.Buffer, (value: Tensor) => Tensor> {
  const routers = new Set<nn.Module>();
  for (const [, module] of network.namedModules()) {
    if (isDynamicConvolution(module)) for (const [, part] of module.router.namedModules()) routers.add(part);
  }
  const found = new Map<nn.Parameter | nn.Buffer, (value: Tensor) => Tensor>();
  for (const [, module] of network.namedModules()) {
    for (const [property, tensor] of Object.entries(module)) {
      const isTensor = tensor instanceof nn.Parameter || tensor instanceof nn.Buffer;
      if (!isTensor || !tensor.dtype.includes('float')) continue;
      if (added.has(property) || (routers.has(module) && tensor instanceof nn.Parameter)) {
        found.set(tensor, (value) => ops.zerosLike(value));
      } else found.set(tensor, scaling.has(property) ? (value) => value : (value) => value.abs());
    }
  }
  return found;
}

/** The tensors that are added to a layer's output. */
const added: ReadonlySet<string> = new Set(['bias', 'biasBank', 'runningMean']);
/** The tensors that give positive factors whatever their sign: σ², φ and T. */
const scaling: ReadonlySet<string> = new Set(['runningVar', 'phi', 'temperature']);
