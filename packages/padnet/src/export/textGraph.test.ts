import { manualSeed, nn, noGrad, randn, scope } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { convertToMoE, convertToPartialMoE, moePositions } from '../convert/index.js';
import { StaticSource } from '../dynamic/index.js';
import { routingLevels, type MoELinear, type RoutingLevel } from '../layers/index.js';
import { activationNames } from '../models/text/activation.js';
import { familyNames, SequenceClassifier, type FamilyName } from '../models/index.js';
import { tinyConfig } from '../models/text/tiny.test.fixture.js';
import {
  difference,
  exportedText,
  openSession,
  run,
  someTexts,
  textAnswers,
  textFeeds,
  trainedLike,
  type MaskKind,
} from './exported.test.fixture.js';

/** Static layers, whole experts, or partial ones by mask. */
type Form = 'static' | 'experts' | MaskKind;

interface Setting {
  readonly form: Form;
  readonly routing?: RoutingLevel;
  readonly k?: number;
  readonly position?: (typeof moePositions)[number];
}

const shape = { max_position_embeddings: 140, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2 };

function network(
  family: FamilyName,
  { form, routing = 'token', k = 2, position = 'both' }: Setting,
  more: Readonly<Record<string, unknown>> = {},
): SequenceClassifier {
  manualSeed(11);
  const net = new SequenceClassifier(tinyConfig(family, { ...shape, ...more }));
  const options = { numExperts: 8, k, position, routing, noise: 0.5 };
  if (form === 'static') return trainedLike(net);
  if (form === 'experts') return trainedLike(convertToMoE(net, options));
  return trainedLike(convertToPartialMoE(net, options), form);
}

function pathOf(net: SequenceClassifier, module: nn.Module): string {
  for (const [path, other] of net.namedModules()) if (other === module) return path;
  throw new Error('there is no such module');
}

/** The largest difference to libtorch, over batches of the given sizes. */
async function largestDifference(
  net: SequenceClassifier,
  sizes: readonly (readonly [batch: number, length: number])[],
): Promise<number> {
  const files = exportedText(net);
  const session = await openSession(files);
  const differences = [];
  for (const [batch, length] of sizes) {
    const inputs = someTexts(batch, length, net.config.padTokenId);
    differences.push(difference(await run(session, textFeeds(inputs)), textAnswers(net, inputs, files)));
  }
  await session.release();
  return Math.max(...differences);
}

describe.each(familyNames)('the graph of %s', (family) => {
  it('answers as libtorch for every batch and length', async () => {
    const sizes = [1, 3, 16].flatMap((batch) => [1, 17, 128].map((length) => [batch, length] as const));
    expect(await largestDifference(network(family, { form: 'static' }), sizes)).toBeLessThan(1e-4);
    expect(await largestDifference(network(family, { form: 'entries' }), sizes)).toBeLessThan(1e-4);
  });

  const forms = ['experts', 'entries', 'rows'] as const;
  it.each(forms.flatMap((form) => routingLevels.map((routing) => ({ form, routing }))))(
    'has the same mixtures: $form, routed by $routing',
    async (setting) => {
      for (const [index, position] of moePositions.entries()) {
        const net = network(family, { ...setting, position, k: index + 1 });
        expect(await largestDifference(net, [[3, 17]])).toBeLessThan(1e-4);
      }
    },
  );
});

describe('a mixture in a graph', () => {
  it.each(['full', 'empty', 'columns', 'searched'] as const)('is the same at a mask that is %s', async (form) => {
    for (const k of [1, 8]) expect(await largestDifference(network('bert', { form, k }), [[3, 17]])).toBeLessThan(1e-4);
  });

  it('is one product for all tokens where its source is static', async () => {
    const net = network('bert', { form: 'experts', k: 3 });
    for (const { feedForward } of net.encoder.layers.items) {
      const { source } = feedForward.output as MoELinear;
      scope(() => {
        net.replaceModule(pathOf(net, source), new StaticSource(randn(source.shape)));
      });
    }
    expect(await largestDifference(net, [[3, 17]])).toBeLessThan(1e-4);
  });

  it('gives equal logits to the lower expert, as the stable sort does', async () => {
    const net = network('bert', { form: 'experts', k: 3 });
    noGrad(() => {
      for (const [name, parameter] of net.namedParameters()) if (name.endsWith('w_gate')) parameter.zero_();
    });
    const session = await openSession(exportedText(net));
    const answers = await run(session, textFeeds(someTexts(1, 17, 0)));
    const { shape: size, data } = answers.get('encoder.layers.0.feed_forward.intermediate.experts')!;
    expect(size).toEqual([17, 3]);
    expect(data).toEqual(Array.from({ length: 51 }, (_, index) => index % 3));
    expect(
      new Set(answers.get('encoder.layers.0.feed_forward.intermediate.gates')!.data.map((g) => g.toFixed(6))),
    ).toEqual(new Set(['0.333333']));
    await session.release();
  });

  it.each(['entries', 'rows', 'empty'] as const)('has no bias where its layer has none: %s', async (mask) => {
    manualSeed(12);
    const net = new SequenceClassifier(tinyConfig('bert', shape));
    for (const { feedForward } of net.encoder.layers.items)
      feedForward.setChild('intermediate', new nn.Linear({ inFeatures: 16, outFeatures: 24, bias: false }));
    trainedLike(convertToPartialMoE(net, { position: 'intermediate', noise: 0.5 }), mask);
    expect(await largestDifference(net, [[3, 17]])).toBeLessThan(1e-4);
  });

  it('names its decisions after its layer, with a number where that runs again', () => {
    const { outputs } = exportedText(network('albert', { form: 'experts', position: 'output', routing: 'sentence' }));
    const path = 'encoder.layers.0.feed_forward.output';
    expect(outputs).toEqual(
      ['', '.2'].map((run) => ({
        kind: 'experts',
        experts: `${path}${run}.experts`,
        gates: `${path}${run}.gates`,
        layer: path,
        k: 2,
        numExperts: 8,
        level: 'sentence',
      })),
    );
  });
});

describe('activations in a graph', () => {
  it.each(activationNames)('%s', async (name) => {
    const net = network('bert', { form: 'static' }, { hidden_act: name, num_hidden_layers: 1 });
    expect(await largestDifference(net, [[3, 17]])).toBeLessThan(1e-4);
  });
});

describe('the fixture', () => {
  it('would notice', () => {
    scope(() => {
      const net = network('bert', { form: 'experts' });
      const files = exportedText(net);
      const [one, two] = [someTexts(1, 5, 0), someTexts(3, 5, 0)].map((inputs) => textAnswers(net, inputs, files));
      expect(difference(one!, one!)).toBe(0);
      expect(difference(one!, two!)).toBe(Infinity);
      const changed = (name: string, change: (data: number[]) => number[]): number =>
        difference(new Map([...one!, [name, { ...one!.get(name)!, data: change([...one!.get(name)!.data]) }]]), one!);
      const [experts, gates] = ['experts', 'gates'].map((part) => `encoder.layers.0.feed_forward.output.${part}`);
      expect(changed(experts!, (data) => data.toReversed())).toBe(Infinity);
      expect(changed(gates!, ([first, ...data]) => [first! + 0.1, ...data])).toBeGreaterThan(0.05);
      expect(changed(gates!, ([, ...data]) => [NaN, ...data])).toBe(Infinity);
      expect(changed('logits', ([a, b, c]) => [-a!, -b!, -c!])).toBe(Infinity);
    });
  });
});
