/** The page: what is asked above, what the networks answer beneath. */
import { InputError } from '@padnet/runtime';
import { parseManifest, type Manifest } from '@padnet/runtime/shared';
import { Comparison } from './comparison.js';
import { element, newId } from './dom.js';
import { PicturePanel } from './picturePanel.js';
import { Problem } from './problem.js';
import type { Ask } from './question.js';
import { parseSite, type Site } from './site.js';
import { TextPanel } from './textPanel.js';

async function fetchText(path: string): Promise<string> {
  let response: Response;
  try {
    response = await fetch(path, { cache: 'no-cache' });
  } catch (cause) {
    throw new InputError(`${path} cannot be reached; is the server still there?`, { cause });
  }
  if (response.ok) return await response.text();
  throw new InputError(
    `${path}: the server answers ${response.status}; make the page with \`padnet export --web\` and serve all of it`,
  );
}

/** What a network of the page takes; all take the same. */
async function readManifest({ modality, models }: Site): Promise<Manifest> {
  const file = `${models[0]!.folder}/padnet.json`;
  const manifest = parseManifest(await fetchText(file), file);
  if (manifest.modality === modality) return manifest;
  throw new InputError(`${file} is of a network for the other kind of input; make the page again`);
}

function panel(site: Site, manifest: Manifest, ask: Ask, problem: Problem): HTMLElement {
  if (manifest.modality === 'text') {
    const samples = site.samples.filter((sample) => 'text' in sample);
    return new TextPanel(samples, manifest.text.pair, ask).element;
  }
  const samples = site.samples.filter((sample) => 'file' in sample);
  return new PicturePanel(samples, manifest.picture, ask, problem).element;
}

async function start(): Promise<void> {
  const main = document.querySelector('main')!;
  const problem = new Problem();
  try {
    const site = parseSite(await fetchText('site.json'));
    const manifest = await readManifest(site);
    document.title = site.title;
    document.querySelector('h1')!.textContent = site.title;
    const comparison = new Comparison(site, problem);
    const title = element(
      'h2',
      { id: newId() },
      site.modality === 'image' ? 'Show them a picture' : 'Tell them something',
    );
    const asked = panel(site, manifest, (question) => comparison.ask(question), problem);
    main.append(
      element('section', { 'aria-labelledby': title.id }, title, asked),
      problem.element,
      comparison.element,
      element('footer', {}, 'Latency is that of the inference alone, on this machine. Made by padnet export --web.'),
    );
    comparison.start();
  } catch (error) {
    main.append(problem.element);
    problem.show(error);
  } finally {
    document.querySelector('.starting')?.remove();
  }
}

void start();
