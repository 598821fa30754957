/** The networks side by side, asked one after the other: each has the processor for itself while it answers. */
import { button, element, newId } from './dom.js';
import { formatBytes, formatMilliseconds, median } from './format.js';
import { NetworkCard } from './networkCard.js';
import type { Problem } from './problem.js';
import type { Question } from './question.js';
import type { Site } from './site.js';

/** What is loaded without being asked for, all networks together. */
const MOST_BYTES_UNASKED = 24e6;

/** Answers of each network for its median, after one that is not counted. */
const RUNS = 9;

/** The first of each kind has the colour of its kind in every report: grey, orange, blue. */
const colourOfKind = { static: 0, dynamic: 1, partial: 2 } as const;

export class Comparison {
  readonly element: HTMLElement;
  readonly #cards: readonly NetworkCard[];
  readonly #spoken = element('p', { class: 'visually-hidden', role: 'status' });
  readonly #measure: HTMLButtonElement;
  readonly #loadAll: HTMLButtonElement;
  #question: Question | null = null;
  #asking = new AbortController();

  constructor(
    private readonly site: Site,
    private readonly problem: Problem,
  ) {
    const { models, modality } = site;
    const mostBytes = Math.max(...models.map(({ bytes }) => bytes));
    const kinds = models.map(({ layer }) => layer);
    let other = 3;
    this.#cards = models.map((model, index) => {
      const colour = kinds.indexOf(model.layer) === index ? colourOfKind[model.layer] : other++;
      return new NetworkCard({
        model,
        modality,
        colour: `var(--run-${colour})`,
        mostBytes,
        onReady: (card) => void this.#onReady(card),
        problem,
        onLayer: (layer) => {
          for (const card of this.#cards) card.showLayer(layer);
        },
      });
    });
    this.#measure = button('Measure latency', () => void this.#measureAll(), { disabled: true });
    this.#loadAll = button(`Load all ${formatBytes(this.#totalBytes)}`, () => void this.#load(), { class: 'primary' });
    const title = element('h2', { id: newId() }, 'Answers');
    this.element = element(
      'section',
      { 'aria-labelledby': title.id },
      element('div', { class: 'heading' }, title, element('div', { class: 'buttons' }, this.#loadAll, this.#measure)),
      element('div', { class: 'cards', '--cards': models.length }, ...this.#cards.map((card) => card.element)),
      this.#spoken,
    );
  }

  /** Loads the networks, where that is little; else buttons do it. */
  start(): void {
    const { connection } = navigator as { readonly connection?: { readonly saveData?: boolean } };
    if (this.#totalBytes <= MOST_BYTES_UNASKED && connection?.saveData !== true) void this.#load();
  }

  /** A new question cancels the one before. */
  async ask(question: Question): Promise<void> {
    this.#asking.abort();
    this.#asking = new AbortController();
    this.#question = question;
    this.problem.clear();
    await this.#answer(this.#cards, question);
  }

  get #totalBytes(): number {
    return this.site.models.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async #load(): Promise<void> {
    this.#loadAll.hidden = true;
    for (const card of this.#cards) await card.load();
  }

  async #onReady(card: NetworkCard): Promise<void> {
    if (this.#cards.every(({ isReady }) => isReady)) this.#loadAll.hidden = true;
    if (this.#question) await this.#answer([card], this.#question);
  }

  async #answer(cards: readonly NetworkCard[], question: Question): Promise<void> {
    const { signal } = this.#asking;
    try {
      for (const card of cards) if (card.isReady) await card.answer(question, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#question = null;
      for (const card of this.#cards) card.clear();
      this.problem.show(error);
    }
    if (signal.aborted) return;
    this.#measure.disabled = this.#question === null || !this.#cards.some(({ isReady }) => isReady);
    if (!question.isLive) this.#spoken.textContent = this.#cards.map(({ spoken }) => spoken).join(' ');
  }

  /** Round after round, so that what else the machine does meets all networks alike. */
  async #measureAll(): Promise<void> {
    const question = this.#question;
    if (!question) return;
    const { signal } = this.#asking;
    const cards = this.#cards.filter(({ isReady }) => isReady);
    const times = cards.map((): number[] => []);
    this.#measure.disabled = true;
    try {
      for (let round = 0; round <= RUNS; round++) {
        this.#measure.textContent = `Measuring ${Math.max(1, round)} of ${RUNS}`;
        for (const [index, card] of cards.entries()) {
          const time = await card.time(question, signal);
          if (round > 0) times[index]!.push(time);
        }
      }
      const medians = times.map(median);
      const ofStatic = medians[cards.findIndex(({ layer }) => layer === 'static')] ?? null;
      for (const [index, card] of cards.entries()) card.showMeasured(medians[index]!, RUNS, ofStatic);
      const words = cards.map(({ label }, index) => `${label}: ${formatMilliseconds(medians[index]!)}`);
      this.#spoken.textContent = `Median latency. ${words.join('. ')}.`;
    } catch (error) {
      if (!signal.aborted) this.problem.show(error);
    } finally {
      this.#measure.textContent = 'Measure latency';
      this.#measure.disabled = false;
    }
  }
}
