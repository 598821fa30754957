import { defaultGenerator, manualSeed, randn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../errors.js';
import { assertNetworkFits, createModel, modelSchema, parseTextConfig } from '../../models/index.js';
import { assertExpertsFit, assertFits } from './assertFits.js';
import { pictures } from '../../runs/pictures.test.fixture.js';
import { pictureRecipeSchema, textRecipeSchema } from '../../recipe/recipe.js';

function refusal(check: () => unknown): string | null {
  try {
    check();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  return null;
}

const memory = /\d GB of memory, of which \d+\.\d GB are available; choose (a smaller one|fewer)/;

describe('a network that cannot fit', () => {
  const shape = { inChannels: 3, numClasses: 10 };
  const make = (model: object): string | null => refusal(() => createModel(modelSchema.parse(model), shape));

  it('is refused before it is made, by the key that makes it large', () => {
    const wide = make({ name: 'resnet10', width: 1e9 });
    // 4.9 million at a width of 64, and as the square of the width.
    expect(wide).toMatch(
      /^model\.width: resnet10 of width 1000000000 has about 1\.2e\+21 numbers, which take 4\.8e\+12 GB/,
    );
    expect(wide).toMatch(memory);
    expect(make({ name: 'mobilenetV2', width: 1e6 })).toMatch(
      /^model\.width: mobilenetV2 of width 1000000 has about 2\.\de\+18/,
    );
    const large = modelSchema.parse({ name: 'resnet101', layer: 'dynamic', numKernels: 64, width: 120 });
    // 64 banks of 43 million numbers times 3.5, a thousand times over.
    expect(
      refusal(() => {
        assertNetworkFits(large, shape, 1000);
      }),
    ).toMatch(
      /^model\.numKernels: resnet101 with 64 kernels has about 9\.\de\+9 numbers, which take with their gradients and/,
    );
  });

  it('leaves random numbers as they were', () => {
    manualSeed(7);
    using before = randn([4]);
    manualSeed(7);
    const options = modelSchema.parse({ name: 'resnet10', layer: 'dynamic', width: 96 });
    assertNetworkFits(options, shape, 4);
    using after = randn([4], { generator: defaultGenerator });
    expect(after.toArray()).toEqual(before.toArray());
  });
});

describe('a recipe for pictures', () => {
  const train = { ...pictures(8), length: 1_000_000, channels: 3, height: 8192, width: 8192 };
  const recipe = (keys: object) =>
    pictureRecipeSchema.parse({
      model: { name: 'resnet10', layer: 'partial' },
      data: { name: 'imageFolder', path: 'x', ...keys },
      training: { epochs: 2 },
      partition: { ratio: 0.3, batches: 100_000 },
    });

  it('is refused by the key that asks for too much', () => {
    const files = { ...train, kind: 'folder', files: null as never, cropFraction: 1 } as const;
    const large = refusal(() => {
      assertFits(recipe({ size: 8192, batchSize: 100_000 }), files);
    });
    expect(large).toMatch(/^data\.size: 100000 pictures of 3×8192×8192 at once take at least \d+/);
    expect(large).toMatch(memory);
    const many = refusal(() => {
      assertFits(recipe({ batchSize: 1_000_000_000 }), { ...train, height: 28_000, width: 28_000 });
    });
    expect(many).toMatch(/^data\.batchSize: 1000000 pictures of 3×28000×28000 at once take at least/);
    const partition = refusal(() => {
      assertFits(recipe({ batchSize: 10 }), { ...train, height: 1024, width: 1024 });
    });
    expect(partition).toMatch(
      /^partition\.batches: the 1000000 pictures of 3×1024×1024 by which the partition is found take/,
    );
  });
});

it('a recipe for texts is refused by the number of its experts', () => {
  const config = parseTextConfig(
    {
      model_type: 'bert',
      vocab_size: 10,
      hidden_size: 8192,
      num_hidden_layers: 96,
      num_attention_heads: 8,
      intermediate_size: 32768,
      max_position_embeddings: 32,
      pad_token_id: 0,
    },
    'config.json',
  );
  const recipe = textRecipeSchema.parse({
    modality: 'text',
    model: { pretrained: 'x', layer: 'dynamic', numExperts: 256 },
    data: { task: 'rte' },
    training: { epochs: 1 },
  });
  expect(
    refusal(() => {
      assertExpertsFit(recipe, config);
    }),
  ).toMatch(
    /^model\.numExperts: 256 experts in each of 192 layers have about 1\.3e\+13 numbers, which take with their/,
  );
});
