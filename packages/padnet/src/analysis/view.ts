/** The view of a modality, all that analysis has to know of it: `pictureView.ts` and `textView.ts` are the two. */
import type { nn } from '@padnet/torch';
import type { TextConfig } from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import type { Recipe } from '../recipe/index.js';
import type { SavedModel, SplitOptions } from '../runs/index.js';
import type { RouterCoefficients } from './coefficients.js';
import type { ExpertLoad } from './expertLoad.js';
import type { RouterState } from './routerStates.js';
import type { SamplePass } from './samplePass.js';

export interface NetworkFacts {
  /** Such as `ResNet-10`, `BERT`. */
  readonly name: string;
  /** With what tells it from others of the name, such as `BERT (bert-base-uncased), 12 layers, 768 wide`. */
  readonly text: string;
}

/** A network to look at, with a sample to run through it. */
export interface ShownNetwork {
  readonly network: nn.Module;
  readonly pass: SamplePass;
  /** That of a text encoder; null for pictures. */
  readonly config: TextConfig | null;
}

/** The decisions of a network's routers on its test data. */
export interface RouterFindings {
  readonly testSamples: number | null;
  /** Those of dynamic convolutions. */
  readonly coefficients: RouterCoefficients | null;
  /** Those of mixtures of experts. */
  readonly experts: ExpertLoad | null;
  /** In the order of the network. */
  readonly routers: readonly RouterState[];
}

/** The methods take recipes and networks of their own modality alone. */
export interface View<R extends Recipe = Recipe, Model extends SavedModel = SavedModel> {
  /** @param config of a text encoder; where it is not at hand, the network goes by the name of its weights */
  facts(model: R['model'], config: TextConfig | null): NetworkFacts;
  ofModel(model: Pick<Model, 'network' | 'description'>): ShownNetwork;
  /** With fresh weights: only sizes are read, of pictures and encoders. */
  ofRecipe(recipe: R, code: CodeOptions): Promise<ShownNetwork>;
  findings(recipe: R, model: Model, division: SplitOptions): Promise<Partial<RouterFindings>>;
  /** On a small part of the test data. */
  routers(recipe: R, model: Model, division: SplitOptions): Promise<readonly RouterState[]>;
}
