/** One run as `padnet export` needs it: exported, and with samples of its test data. */
import { modelLayerName, networkFacts } from '../analysis/index.js';
import type { CompactDType } from '../export/compactForm.js';
import { exportModel, type ExportTarget, type GraphInputs, type ModelFolder } from '../export/modelFolder.js';
import type { ShownSample } from '../export/testSamples.js';
import { isThere } from '../readRegularFile.js';
import { dataName } from '../report/recipeTexts.js';
import {
  folderOfModel,
  loadAnswering,
  readRun,
  readTokenizer,
  type Run,
  RunFolder,
  type SavedModel,
} from '../runs/index.js';
import { reasonOf } from '../errors.js';
import { commandsOf } from './modalities.js';
import type { Terminal } from './terminal.js';

export interface ExportedRun {
  readonly run: string;
  readonly folder: ModelFolder;
  readonly samples: readonly ShownSample[];
  /** The kind of its layers, in the words of papers. */
  readonly layerName: string;
  /** Its data, such as `Fashion-MNIST`; null where it is no run. */
  readonly data: string | null;
  /** On its test data, as training found it; null where it is no run. */
  readonly score: { readonly metric: string; readonly value: number } | null;
}

/** Samples that a graph is tried on, and that a page shows. */
const [triedSamples, shownSamples] = [32, 12];

export async function exportRun(
  run: string,
  {
    target,
    dtype,
    terminal,
  }: { readonly target: ExportTarget; readonly dtype: CompactDType; readonly terminal: Terminal },
): Promise<ExportedRun> {
  const model = loadAnswering(run);
  const read = isThere(new RunFolder(run).recipe) ? readRun(run) : null;
  const { inputs, shown } = await samplesOf(run, read, model, terminal);
  const tokenizer = model.modality === 'text' ? readTokenizer(folderOfModel(run)) : undefined;
  const folder = await exportModel(model, {
    name: nameOf(model),
    target,
    dtype,
    ...(tokenizer && { tokenizer }),
    samples: inputs,
  });
  return { run, folder, samples: shown, layerName: modelLayerName(model.description.model), ...factsOf(read) };
}

/** Such as `ResNet-18, PAD-Net`. */
function nameOf({ modality, network, description }: SavedModel): string {
  const config = 'config' in network ? network.config : null;
  const { name } = networkFacts({ modality, model: description.model } as Parameters<typeof networkFacts>[0], config);
  return `${name}, ${modelLayerName(description.model)}`;
}

interface Samples {
  readonly inputs: readonly GraphInputs[];
  readonly shown: readonly ShownSample[];
}

/** None where it is no run, or its data are not here. */
async function samplesOf(folder: string, run: Run | null, model: SavedModel, terminal: Terminal): Promise<Samples> {
  const none = { inputs: [], shown: [] };
  if (run?.recipe.modality !== model.modality) return none;
  const counts = { tried: triedSamples, shown: shownSamples };
  try {
    return await commandsOf(model.modality).testSamples(run.recipe, model, folder, counts);
  } catch (error) {
    terminal.warn(`the test data of ${folder} cannot be read: ${reasonOf(error)}`);
    return none;
  }
}

/** What is known of a run; nothing of other folders. */
function factsOf(run: Run | null): Pick<ExportedRun, 'data' | 'score'> {
  if (run === null) return { data: null, score: null };
  const finished = run.events.findLast((event) => event.type === 'finished');
  const score = finished ? { metric: finished.metric, value: finished.testScore } : null;
  return { data: dataName(run.recipe), score };
}
