import type { Modality, RecipeOf } from '../recipe/index.js';
import type { ModelOf } from '../runs/index.js';
import type { ModalityCommands } from './modalityCommands.js';
import { pictureCommands } from './pictures.js';
import { textCommands } from './texts.js';

const commands: { readonly [M in Modality]: ModalityCommands<RecipeOf<M>, ModelOf<M>> } = {
  image: pictureCommands,
  text: textCommands,
};

/** What commands know of a modality. */
export function commandsOf(modality: Modality): ModalityCommands {
  return commands[modality];
}
