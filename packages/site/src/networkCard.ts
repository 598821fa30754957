/** A network of the page: what it weighs, its download, its answers. */
import {
  load,
  type LoadProgress,
  type PictureAnswer,
  type PictureClassifier,
  type TextAnswer,
  type TextClassifier,
} from '@padnet/runtime';
import { classBars } from './classBars.js';
import { CoefficientTable } from './coefficientTable.js';
import { button, element, newId } from './dom.js';
import { ExpertTokens } from './expertTokens.js';
import { formatBytes, formatMilliseconds, formatPercent, formatScore, threeDigits } from './format.js';
import type { Problem } from './problem.js';
import type { Question } from './question.js';
import type { Site, SiteModel } from './site.js';
import { layerKind, meaning } from './words.js';

type Classifier = PictureClassifier | TextClassifier;
type Answer = PictureAnswer | TextAnswer;

const devices = { cpu: '', wasm: ' by WebAssembly', webgpu: ' by WebGPU' } as const;

export interface CardOptions {
  readonly model: SiteModel;
  readonly modality: Site['modality'];
  /** A variable of the style sheet. */
  readonly colour: string;
  /** Bytes of the largest network of the page. */
  readonly mostBytes: number;
  readonly onReady: (card: NetworkCard) => void;
  readonly problem: Problem;
  /** The layer whose experts are shown was changed. */
  readonly onLayer: (index: number) => void;
}

export class NetworkCard {
  readonly element: HTMLElement;
  readonly label: string;
  /** The answer that is shown, in words for those who listen; empty where there is none. */
  spoken = '';
  readonly #read = element('span', {}, ' to download');
  readonly #state = element('div', { class: 'state' });
  readonly #answer = element('div', { class: 'answer' });
  readonly #latency = element('p', { class: 'latency' });
  readonly #inside = element('div', { class: 'inside' });
  readonly #coefficients = new CoefficientTable();
  readonly #experts: ExpertTokens;
  #classifier: Classifier | null = null;
  #loading: AbortController | null = null;
  /** Where it runs, in words. */
  #computed = '';

  constructor(private readonly options: CardOptions) {
    const { model, modality, colour, mostBytes } = options;
    this.label = model.label;
    this.#experts = new ExpertTokens(options.onLayer);
    const title = element(
      'h3',
      { id: newId() },
      element('span', { class: 'swatch', 'aria-hidden': 'true' }),
      model.label,
    );
    this.element = element(
      'article',
      { class: 'card', '--c': colour, 'aria-labelledby': title.id },
      element(
        'div',
        { class: 'about' },
        title,
        element('p', { class: 'kind' }, layerKind(model.layer)),
        element('p', { class: 'meaning' }, meaning(modality, model.layer)),
      ),
      element(
        'div',
        { class: 'size' },
        element('p', {}, element('b', {}, formatBytes(model.bytes)), this.#read),
        model.score ? element('p', {}, formatScore(model.score)) : null,
        element('span', { class: 'bar', '--share': model.bytes / Math.max(1, mostBytes), 'aria-hidden': 'true' }),
      ),
      this.#state,
      element('div', { class: 'answers' }, this.#answer, this.#latency),
      this.#inside,
    );
    this.#showLoadButton(`Load ${formatBytes(model.bytes)}`);
    this.#showHint('It has not been loaded yet.');
  }

  get isReady(): boolean {
    return this.#classifier !== null;
  }

  get layer(): SiteModel['layer'] {
    return this.options.model.layer;
  }

  /** Downloads the network and makes it ready; what goes wrong is told to the page. */
  async load(): Promise<void> {
    if (this.#classifier || this.#loading) return;
    const { model, onReady, problem } = this.options;
    problem.clear(this);
    const controller = new AbortController();
    this.#loading = controller;
    const progress = element('progress', { max: model.bytes, value: 0, 'aria-label': `Download of ${model.label}` });
    const loaded = element('span', {}, 'loading');
    const cancel = button('Cancel', () => {
      controller.abort();
    });
    this.#state.replaceChildren(progress, loaded, cancel);
    const files = new Map<string, LoadProgress>();
    try {
      this.#classifier = await load(new URL(model.folder, document.baseURI), {
        signal: controller.signal,
        worker: new URL('worker.js', document.baseURI),
        wasmPaths: new URL('ort/', document.baseURI),
        onProgress: (each) => {
          files.set(each.file, each);
          const bytes = Array.from(files.values()).reduce((sum, { loadedBytes }) => sum + loadedBytes, 0);
          progress.value = bytes;
          loaded.textContent = bytes < model.bytes ? formatBytes(bytes) : 'starting';
        },
      });
      this.#computed = devices[this.#classifier.device];
      const isKept = Array.from(files.values()).some(({ fromCache }) => fromCache);
      this.#read.textContent = isKept ? ' from the cache' : ' downloaded';
      this.#state.replaceChildren();
      this.#showHint('Ready: ask something above.');
      onReady(this);
    } catch (error) {
      this.#showLoadButton('Load again');
      if (!controller.signal.aborted) problem.show(error, this);
    } finally {
      this.#loading = null;
    }
  }

  /** Answers and shows the answer. */
  async answer(question: Question, signal: AbortSignal): Promise<void> {
    const classifier = this.#classifier!;
    this.element.classList.add('busy');
    try {
      const answer = await ask(classifier, question, { signal, isDetailed: true });
      this.#show(answer, question);
      this.spoken = `${this.label}: ${inWords(answer)}.`;
    } finally {
      this.element.classList.remove('busy');
    }
  }

  /** How long an answer takes, in ms, of the inference alone. */
  async time(question: Question, signal: AbortSignal): Promise<number> {
    return (await ask(this.#classifier!, question, { signal, isDetailed: false })).milliseconds;
  }

  /** @param ofStatic the median of the static network, where there is one */
  showMeasured(median: number, runs: number, ofStatic: number | null): void {
    const ratio = ofStatic === null || this.layer === 'static' ? '' : `, ${threeDigits(median / ofStatic)} × static`;
    this.#latency.replaceChildren(
      element('b', {}, formatMilliseconds(median)),
      `${this.#computed}, median of ${runs}${ratio}`,
    );
  }

  showLayer(index: number): void {
    this.#experts.showLayer(index);
  }

  /** Forgets the last answer. */
  clear(): void {
    if (this.#classifier) this.#showHint('Ready: ask something above.');
  }

  #showLoadButton(label: string): void {
    this.#state.replaceChildren(button(label, () => void this.load(), { 'aria-label': `${label}: ${this.label}` }));
  }

  #showHint(text: string): void {
    this.spoken = '';
    this.#answer.replaceChildren(element('p', { class: 'hint' }, text));
    this.#latency.replaceChildren();
    this.#inside.replaceChildren();
  }

  #show(answer: Answer, question: Question): void {
    const [best] = answer.classes;
    const isRight = best === undefined || question.label === null ? null : best.label === question.label;
    const verdict = isRight === null ? null : element('span', { class: isRight ? 'right' : 'wrong' });
    if (verdict) verdict.textContent = isRight ? '✓ as labelled' : '✗ not as labelled';
    const headline = best
      ? element('p', { class: 'best' }, best.label, verdict)
      : element('p', { class: 'best' }, threeDigits((answer as TextAnswer).score ?? 0), element('small', {}, ' score'));
    this.#answer.replaceChildren(headline, ...(best ? [classBars(answer.classes)] : []));
    if ('truncated' in answer && answer.truncated)
      this.#answer.append(
        element('p', { class: 'hint' }, 'The text is longer than the network reads: its end was left out.'),
      );
    this.#latency.replaceChildren(
      element('b', {}, formatMilliseconds(answer.milliseconds)),
      `${this.#computed}, this answer`,
    );
    this.#showInside(answer);
  }

  #showInside(answer: Answer): void {
    if ('coefficients' in answer && answer.coefficients.length > 0) {
      this.#coefficients.update(answer.coefficients);
      keepOnly(this.#inside, this.#coefficients.element);
    } else if ('experts' in answer && answer.experts.length > 0) {
      this.#experts.update(answer.tokens, answer.experts);
      keepOnly(this.#inside, this.#experts.element);
    } else {
      const nothing = 'experts' in answer ? 'Nothing to choose: no experts.' : 'Nothing to mix: one kernel a layer.';
      this.#inside.replaceChildren(element('p', { class: 'hint' }, nothing));
    }
  }
}

/** Without taking out what is there already: it may have the focus. */
function keepOnly(parent: HTMLElement, child: HTMLElement): void {
  if (parent.firstChild !== child || parent.childNodes.length !== 1) parent.replaceChildren(child);
}

async function ask(
  classifier: Classifier,
  question: Question,
  { signal, isDetailed }: { readonly signal: AbortSignal; readonly isDetailed: boolean },
): Promise<Answer> {
  if (classifier.modality === 'image' && question.kind === 'image')
    return await classifier.classify(question.picture, { signal, coefficients: isDetailed });
  if (classifier.modality === 'text' && question.kind === 'text')
    return await classifier.classify(question.first, question.second, { signal, experts: isDetailed });
  throw new Error(`${classifier.name} does not take this kind of question`);
}

function inWords(answer: Answer): string {
  const [best] = answer.classes;
  if (best) return `${best.label}, ${formatPercent(best.probability)}`;
  return `score ${threeDigits((answer as TextAnswer).score ?? 0)}`;
}
