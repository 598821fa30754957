import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSafetensors, manualSeed, ones, saveSafetensors, scope, type Tensor } from '@padnet/torch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../errors.js';
import { familyNames, type FamilyName } from './family.js';
import { loadPretrained } from './loadPretrained.js';
import { savePretrained } from './savePretrained.js';
import { SequenceClassifier } from './sequenceClassifier.js';
import { tinyConfig, tinyConfigJson } from './tiny.test.fixture.js';
import { huggingFaceNames, weightNames } from './weightNames.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-pretrained-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function save(family: FamilyName): SequenceClassifier {
  manualSeed(2);
  const network = new SequenceClassifier(tinyConfig(family));
  savePretrained(folder, network);
  return network;
}

/** Changes the saved tensors. */
function rewrite(change: (tensors: Map<string, Tensor>) => Map<string, Tensor>): void {
  scope(() => {
    const file = join(folder, 'model.safetensors');
    saveSafetensors(file, change(loadSafetensors(file).tensors));
  });
}

const values = (network: SequenceClassifier): [string, number[]][] =>
  Array.from(network.stateDict(), ([name, value]) => [name, value.toArray()]);

function messageOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
}

describe.each(familyNames)('%s', (family) => {
  it('is saved and loaded with every bit', () => {
    const network = save(family);
    const loaded = loadPretrained(folder);
    expect(loaded.missing).toEqual([]);
    expect(loaded.config).toEqual(network.config);
    expect(values(loaded.network)).toEqual(values(network));
  });

  it('has a fresh head for another number of classes, from the seed', () => {
    const network = save(family);
    const load = (): ReturnType<typeof loadPretrained> => {
      manualSeed(7);
      return loadPretrained(folder, { numLabels: 2 });
    };
    const { network: loaded, config, missing } = load();
    const head = family === 'bert' || family === 'albert' ? 'classifier' : 'classifier.out_proj';
    expect(missing).toEqual([`${head}.weight`, `${head}.bias`]);
    expect(config.labels).toEqual(['LABEL_0', 'LABEL_1']);
    expect(loaded.head.dense.weight.toArray()).toEqual(network.head.dense.weight.toArray());
    expect(loaded.head.output.weight.shape).toEqual([2, 8]);
    expect(values(load().network)).toEqual(values(loaded));
  });

  it('is loaded from a bare encoder without a head', () => {
    const network = save(family);
    rewrite(
      (tensors) =>
        new Map(
          Array.from(tensors)
            .filter(([name]) => !/^classifier|pooler/.test(name))
            .map(([name, value]) => [name.replace(`${family}.`, ''), value]),
        ),
    );
    const { network: loaded, missing } = loadPretrained(folder);
    expect(missing.length).toBe(4);
    expect(values(loaded).filter(([name]) => !name.startsWith('head'))).toEqual(
      values(network).filter(([name]) => !name.startsWith('head')),
    );
  });
});

describe('what is wrapped around the encoder in a file', () => {
  const wrapped = (prefix: string): void => {
    rewrite((tensors) => new Map(Array.from(tensors, ([name, value]) => [prefix + name, value])));
  };

  it.each(['model.', '_orig_mod.', 'module.', 'backbone.', 'net.', 'state_dict.', 'state_dict.model.'])(
    'is taken off: %s',
    (prefix) => {
      for (const family of ['bert', 'roberta'] as const) {
        const network = save(family);
        wrapped(prefix);
        expect(loadPretrained(folder).missing).toEqual([]);
        expect(values(loadPretrained(folder).network)).toEqual(values(network));
      }
    },
  );

  it('is taken off a bare encoder, with a head of another task beside it', () => {
    const network = save('bert');
    rewrite((tensors) => {
      const bare = Array.from(tensors, ([name, value]): [string, Tensor] => [
        name.replace('bert.', 'backbone.'),
        value,
      ]);
      return new Map([...bare, ['head.weight', ones([2])]]);
    });
    const { network: loaded, missing } = loadPretrained(folder);
    expect(missing).toEqual(['classifier.weight', 'classifier.bias']);
    expect(values(loaded).slice(0, -2)).toEqual(values(network).slice(0, -2));
  });

  it('is no other architecture', () => {
    save('roberta');
    wrapped('module.');
    writeFileSync(join(folder, 'config.json'), JSON.stringify(tinyConfigJson('bert')));
    expect(messageOf(() => loadPretrained(folder))).toMatch(
      /not those of the bert in config\.json, they are of Roberta/,
    );
  });
});

describe('what files of pretraining have', () => {
  it('is understood or left out: old names, heads, positions, half precision', () => {
    const network = save('bert');
    rewrite((tensors) => {
      const old = new Map(
        Array.from(tensors, ([name, value]) => [
          name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
          value.to('bfloat16'),
        ]),
      );
      for (const name of ['cls.predictions.bias', 'cls.seq_relationship.weight', 'bert.embeddings.position_ids']) {
        old.set(name, ones([2]));
      }
      return old;
    });
    const { network: loaded, missing } = loadPretrained(folder);
    expect(missing).toEqual([]);
    expect(loaded.embeddings.norm.weight!.dtype).toBe('float32');
    const rounded = network.encoder.layers.items[1]!.attention.query.weight.to('bfloat16').toArray();
    expect(loaded.encoder.layers.items[1]!.attention.query.weight.toArray()).toEqual(rounded);
  });

  it('is read from shards', () => {
    const network = save('electra');
    scope(() => {
      const tensors = [...loadSafetensors(join(folder, 'model.safetensors')).tensors];
      rmSync(join(folder, 'model.safetensors'));
      const half = tensors.length / 2;
      saveSafetensors(join(folder, 'one.safetensors'), new Map(tensors.slice(0, half)));
      saveSafetensors(join(folder, 'two.safetensors'), new Map(tensors.slice(half)));
      const map = tensors.map(([name], index) => [name, index < half ? 'one.safetensors' : 'two.safetensors']);
      const index = { metadata: {}, weight_map: Object.fromEntries(map) as unknown };
      writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
    });
    expect(values(loadPretrained(folder).network)).toEqual(values(network));
    rmSync(join(folder, 'two.safetensors'));
    expect(messageOf(() => loadPretrained(folder))).toMatch(
      /two\.safetensors: could not be read: there is no such file/,
    );
  });
});

describe('what is wrong', () => {
  it('is named by kind and tensor', () => {
    save('bert');
    rewrite((tensors) => {
      tensors.delete('bert.embeddings.LayerNorm.weight');
      tensors.set('bert.encoder.layer.3.output.dense.bias', ones([8]));
      tensors.set('bert.embeddings.word_embeddings.weight', ones([31, 8]));
      return tensors;
    });
    expect(messageOf(() => loadPretrained(folder))).toBe(
      `${join(folder, 'model.safetensors')}: the weights are not those of the bert in config.json: ` +
        '1 missing (bert.embeddings.LayerNorm.weight); 1 unexpected (bert.encoder.layer.3.output.dense.bias); ' +
        '1 of another shape (bert.embeddings.word_embeddings.weight [31, 8], expected [30, 8])',
    );
  });

  it('is named where the weights are of another architecture', () => {
    save('roberta');
    writeFileSync(join(folder, 'config.json'), JSON.stringify(tinyConfigJson('bert')));
    expect(messageOf(() => loadPretrained(folder))).toMatch(
      /config\.json, they are of Roberta: 53 missing \(bert\.embeddings.* and 48 more\); 53 unexpected \(roberta\./,
    );
  });

  it('is no weight file', () => {
    save('bert');
    writeFileSync(join(folder, 'model.safetensors'), 'version https://git-lfs.github.com/spec/v1');
    expect(messageOf(() => loadPretrained(folder))).toMatch(/model\.safetensors: wrong header length/);
    rmSync(join(folder, 'model.safetensors'));
    expect(messageOf(() => loadPretrained(folder))).toBe(
      `${folder}: no weights; expected one of model.safetensors, model.safetensors.index.json, pytorch_model.bin`,
    );
    writeFileSync(join(folder, 'pytorch_model.bin'), '');
    expect(messageOf(() => loadPretrained(folder))).toMatch(/pytorch_model\.bin: is not a file of torch\.save/);
    rmSync(join(folder, 'config.json'));
    expect(messageOf(() => loadPretrained(folder))).toMatch(
      /config\.json: expected the configuration in the folder of a Hugging Face model, but there is no such file/,
    );
  });

  it('is a network that Hugging Face has no names for; nothing is written then', () => {
    const network = save('bert');
    const before = readFileSync(join(folder, 'model.safetensors'));
    expect(() => weightNames(network.config, ['encoder.layers.0.feed_forward.output.router.clean'])).toThrow(
      "'encoder.layers.0.feed_forward.output.router.clean' has no name in Hugging Face's BertForSequenceClassification",
    );
    Object.assign(network.encoder.layers.items[0]!, { extra: network.head });
    expect(() => {
      savePretrained(folder, network);
    }).toThrow('has no name');
    expect(readFileSync(join(folder, 'model.safetensors')).equals(before)).toBe(true);
  });
});

it('no two tensors have one name in a file', () => {
  for (const family of familyNames) {
    const network = new SequenceClassifier(
      tinyConfig(family, { num_hidden_layers: 4, num_hidden_groups: 2, inner_group_num: 2 }),
    );
    const names = [...huggingFaceNames(network).values()];
    expect(new Set(names).size).toBe(names.length);
  }
});
