/** `padnet convert` of networks for texts. */
import { join } from 'node:path';
import { ops } from '@padnet/torch';
import { convertTextModel, textModelSchema } from '../models/index.js';
import { parseSection } from '../recipe/index.js';
import { copyTokenizer, savePretrainedText, saveTextModel, type TextModel } from '../runs/index.js';
import { noStaticMixture } from '../training/index.js';
import { type Converter, type ConvertSource, explained, optionNames, partitionByMagnitude } from './converter.js';
import type { ConvertOptions } from './convertOptions.js';
import { tableOptions } from './textInputs.js';

export const textConverter: Converter<TextModel> = {
  refused: { kernels: 'pictures', convolution: 'pictures', routerWidth: 'pictures' },
  measuresRouters: false,
  writesStatic: () => true,
  staticObstacle: (path, layer) =>
    `${path} has a network with model.layer: ${layer}; ${noStaticMixture}; a recipe with model.pretrained: ` +
    `${path}, model.layer: partial and partition.ratio: 0 trains one`,
  write: writeTexts,
  probe: ({ network, description: { maxLength } }) => {
    const shape = [4, Math.min(32, maxLength)] as const;
    return {
      inputs: `4 random texts of ${shape[1]} tokens`,
      logits: () => {
        const inputIds = ops.randint(network.config.vocabSize, shape, { dtype: 'int64' });
        return network.forward({ inputIds, attentionMask: ops.onesLike(inputIds), tokenTypeIds: null }).logits;
      },
    };
  },
};

/** A static network becomes a folder for Hugging Face. */
async function writeTexts(
  path: string,
  { network, description: was, folder }: ConvertSource<TextModel>,
  out: string,
  options: ConvertOptions,
): Promise<null> {
  const { layer, experts: numExperts = 8, k = 2, position = 'both', layers, noise = 0 } = options;
  const description = { ...was, table: tableOptions(path, was) };
  if (layer === 'static') {
    savePretrainedText(out, network, description, copyTokenizer(folder, out));
    return null;
  }
  const copies = was.model.layer === 'static' ? { numExperts, k, position, layers } : {};
  const model = parseSection(textModelSchema, { ...was.model, ...copies, layer, noise }, optionNames);
  explained(path, () => convertTextModel(network, model));
  await partitionByMagnitude(network, out, options, []);
  saveTextModel(join(out, 'model.json'), network, { ...description, model }, folder);
  return null;
}
