/** Where a picture is chosen, dropped, pasted, taken or drawn. */
import { InputError, type PictureManifest } from '@padnet/runtime';
import { Camera } from './camera.js';
import { button, element } from './dom.js';
import { Drawing } from './drawing.js';
import { inverted } from './inverted.js';
import type { Problem } from './problem.js';
import type { Ask } from './question.js';
import type { PictureSample } from './site.js';

/** Between two pictures of the camera, in ms. */
const PAUSE = 250;

type Mode = 'empty' | 'picture' | 'drawing' | 'camera';

export class PicturePanel {
  readonly element: HTMLElement;
  readonly #preview = element('img', { alt: '' });
  readonly #caption = element('p', { class: 'caption' });
  readonly #stage: HTMLElement;
  readonly #camera = new Camera();
  readonly #drawing: Drawing | null;
  readonly #invert = element('input', { type: 'checkbox' });
  readonly #modeButtons: Readonly<Partial<Record<Mode, HTMLButtonElement>>>;
  readonly #cameraTools: HTMLElement;
  #chosen: { readonly picture: Blob; readonly label: string | null } | null = null;

  constructor(
    samples: readonly PictureSample[],
    input: PictureManifest['picture'],
    private readonly ask: Ask,
    private readonly problem: Problem,
  ) {
    const isGrey = input.channels === 1;
    const isDark = input.mean[0]! < 0.5;
    this.#drawing = isGrey
      ? new Drawing(input, isDark, () => {
          this.#askDrawing();
        })
      : null;
    const hint = element('p', { class: 'hint' }, 'Drop a picture here, or paste one');
    const media = [hint, this.#preview, this.#camera.element, this.#drawing?.element ?? null];
    this.#stage = element('div', { class: 'stage' }, ...media);
    this.#modeButtons = {
      camera: button('Use the camera', () => void this.#startCamera()),
      ...(this.#drawing && {
        drawing: button('Draw', () => {
          this.#startDrawing();
        }),
      }),
    };
    const take = button('Take this picture', () => void this.#take());
    const stop = button('Turn it off', () => {
      this.#show(this.#chosen ? 'picture' : 'empty');
    });
    this.#cameraTools = element('div', { class: 'tools' }, take, stop);
    this.#invert.addEventListener('change', () => void this.#askChosen());
    const invert = element(
      'label',
      { class: 'check' },
      this.#invert,
      `Exchange light and dark: for ${isDark ? 'dark things on a light' : 'light things on a dark'} ground`,
    );
    const tools = element(
      'div',
      { class: 'controls' },
      element('div', { class: 'buttons' }, this.#fileButton(), ...Object.values(this.#modeButtons)),
      this.#drawing?.tools ?? null,
      this.#cameraTools,
      isGrey ? invert : null,
      this.#samples(samples),
    );
    this.element = element('div', { class: 'panel' }, element('div', {}, this.#stage, this.#caption), tools);
    this.#preview.addEventListener('error', () => {
      if (this.#stage.dataset.mode === 'picture') this.#show('empty');
    });
    this.#listenForFiles();
    this.#show('empty');
  }

  #fileButton(): HTMLElement {
    const input = element('input', { type: 'file', accept: 'image/*', hidden: true, 'aria-label': 'Picture' });
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      input.value = '';
      if (file) void this.#choose(file, null);
    });
    const choose = button('Choose a picture', () => {
      input.click();
    });
    return element('span', {}, choose, input);
  }

  #samples(samples: readonly PictureSample[]): HTMLElement | null {
    if (samples.length === 0) return null;
    const buttons = samples.map(({ file, label }, index) => {
      const picture = element('img', { src: file, alt: label ?? `Sample ${index + 1}`, loading: 'lazy' });
      const choose = button(picture, () => void this.#chooseSample(file, label), { title: label });
      return element('li', {}, choose);
    });
    const title = element('h3', {}, 'Or one that no network was trained on');
    return element('div', {}, title, element('ul', { class: 'samples', role: 'list' }, ...buttons));
  }

  #listenForFiles(): void {
    const fileOf = (data: DataTransfer | null): File | undefined => data?.files[0];
    document.addEventListener('dragover', (event) => {
      event.preventDefault();
      this.#stage.classList.add('target');
    });
    document.addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) this.#stage.classList.remove('target');
    });
    document.addEventListener('drop', (event) => {
      event.preventDefault();
      this.#stage.classList.remove('target');
      const file = fileOf(event.dataTransfer);
      if (file) void this.#choose(file, null);
      else this.problem.show(new InputError('What was dropped is no file; drop a picture, or choose one'));
    });
    document.addEventListener('paste', (event) => {
      const file = fileOf(event.clipboardData);
      if (file) void this.#choose(file, null);
    });
  }

  async #chooseSample(file: string, label: string | null): Promise<void> {
    this.#invert.checked = false; // a sample is right as it is
    try {
      const response = await fetch(file);
      if (!response.ok) throw new InputError(`${file}: the server answers ${response.status}; try another picture`);
      const picture = await response.blob();
      await this.#choose(picture, label);
    } catch (error) {
      const broken = new InputError(`${file} cannot be reached; is the server still there?`, { cause: error });
      this.problem.show(error instanceof TypeError ? broken : error);
    }
  }

  async #choose(picture: Blob, label: string | null): Promise<void> {
    URL.revokeObjectURL(this.#preview.src);
    this.#preview.src = URL.createObjectURL(picture);
    this.#preview.alt = label ?? 'The chosen picture';
    this.#chosen = { picture, label };
    this.#show('picture');
    await this.#askChosen();
  }

  async #askChosen(): Promise<void> {
    this.#preview.classList.toggle('inverted', this.#invert.checked);
    if (!this.#chosen || this.#stage.dataset.mode !== 'picture') return;
    const { picture, label } = this.#chosen;
    await this.ask({ kind: 'image', picture: await this.#prepared(picture), label, isLive: false });
  }

  async #prepared(picture: Blob): Promise<Blob | ImageData> {
    return this.#invert.checked ? await inverted(picture) : picture;
  }

  #startDrawing(): void {
    this.#show('drawing');
    this.#drawing!.focus();
  }

  #askDrawing(): void {
    void this.ask({ kind: 'image', picture: this.#drawing!.pixels(), label: null, isLive: false });
  }

  async #startCamera(): Promise<void> {
    try {
      await this.#camera.start();
    } catch (error) {
      this.problem.show(error);
      return;
    }
    this.#show('camera');
    this.#camera.element.classList.toggle('inverted', this.#invert.checked);
    while (this.#camera.isOn()) {
      const frame = await this.#camera.frame();
      if (frame && this.#camera.isOn())
        await this.ask({ kind: 'image', picture: await this.#prepared(frame), label: null, isLive: true });
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }

  async #take(): Promise<void> {
    const frame = await this.#camera.frame();
    if (frame) await this.#choose(frame, null);
  }

  #show(mode: Mode): void {
    if (mode !== 'camera') this.#camera.stop();
    this.#stage.dataset.mode = mode;
    this.#cameraTools.hidden = mode !== 'camera';
    if (this.#drawing) this.#drawing.tools.hidden = mode !== 'drawing';
    for (const [name, each] of Object.entries(this.#modeButtons))
      each.setAttribute('aria-pressed', String(name === mode));
    const label = mode === 'picture' ? this.#chosen?.label : null;
    this.#caption.textContent = label == null ? '' : `Labelled: ${label}`;
  }
}
