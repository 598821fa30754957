/** `padnet export --web`: a web page that answers with exported networks, as files for any web server. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.js';
import type { ModelFolder } from '../export/modelFolder.js';
import { metricName } from '../report/scoreText.js';
import { sampleNames } from '../runs/index.js';
import { writeExported, type ExportedKind, type FolderFiles } from './exportFolder.js';
import type { ExportedRun } from './exportRun.js';
import { filesBelow } from './outputFolder.js';

/** @throws InputError where the networks are not of one kind, or as `writeExported` */
export async function writeSite(out: string, runs: readonly ExportedRun[], force: boolean): Promise<void> {
  await writeExported(out, siteFiles(runs), sitePage, force);
}

const sitePage: ExportedKind = {
  what: 'a web page of padnet',
  filesOf: (site) => {
    const { files } = (site ?? {}) as { readonly files?: unknown };
    return Array.isArray(files) ? files.filter((each) => typeof each === 'string') : [];
  },
};

function siteFiles(runs: readonly ExportedRun[]): FolderFiles {
  const [{ folder: first, run: firstRun }] = runs as readonly [ExportedRun, ...ExportedRun[]];
  const { modality } = first.manifest;
  const other = runs.find(({ folder }) => folder.manifest.modality !== modality);
  if (other) {
    const [one, another] = [modality, other.folder.manifest.modality].map((each) => sampleNames[each]);
    throw new InputError(`${firstRun} is on ${one} and ${other.run} on ${another}; a page shows networks of one kind`);
  }
  const labels = labelsOf(runs);
  const samples = runs.find((run) => run.samples.length > 0)?.samples ?? [];
  const site = {
    format: 'padnet-site-1',
    title: titleOf(runs),
    modality,
    models: runs.map(({ folder, score }, index) => ({
      folder: `models/${labels[index]!}`,
      label: folder.manifest.name,
      layer: folder.manifest.layer,
      bytes: deployed(folder).reduce((sum, [, content]) => sum + Buffer.byteLength(content), 0),
      score: score && { metric: metricName(score.metric), value: score.value },
    })),
    samples: samples.map((sample, index) => {
      const { label } = sample;
      if (sample.kind === 'picture') return { file: sampleFile(index), label };
      return { text: sample.text, second: sample.second, label };
    }),
  };
  const files = new Map<string, string | Uint8Array>([
    ...pageFiles(),
    ...runs.flatMap(({ folder }, index) =>
      deployed(folder).map(([name, content]) => [`models/${labels[index]!}/${name}`, content] as const),
    ),
    ...samples.flatMap((sample, index) =>
      sample.kind === 'picture' ? [[sampleFile(index), sample.png] as const] : [],
    ),
  ]);
  // The page's next version has other files.
  const written = { ...site, files: [...files.keys()] };
  return files.set('site.json', `${JSON.stringify(written, null, 2)}\n`);
}

/** Such as `Fashion-MNIST: static, DY-Conv, PAD-Net`. */
function titleOf(runs: readonly ExportedRun[]): string {
  const data = new Set(runs.flatMap((run) => run.data ?? []));
  const layers = runs.map(({ layerName }) => layerName).join(', ');
  return data.size === 0 ? layers : `${[...data].join(', ')}: ${layers}`;
}

function sampleFile(index: number): string {
  return `samples/${index + 1}.png`;
}

/** What a page needs of an exported network: the compact file has the tokenizer, and its weights are expanded there. */
function deployed({ manifest, files }: ModelFolder): (readonly [string, string | Uint8Array])[] {
  return ['padnet.json', manifest.graph, manifest.compact].map((name) => [name, files.get(name)!]);
}

/** The names of the runs, told apart and fit to be part of a URL. */
function labelsOf(runs: readonly ExportedRun[]): string[] {
  const names = runs.map(
    ({ run }) =>
      basename(resolve(run))
        .replaceAll(/[^A-Za-z0-9_.-]/g, '-')
        .replace(/^[.-]+/, '') || 'network',
  );
  return names.map((name, index) => (names.indexOf(name) === index ? name : `${name}-${index + 1}`));
}

/** The page itself, as @padnet/site has built it. @throws InputError where it is not built */
function pageFiles(): (readonly [string, Uint8Array])[] {
  const folder = join(dirname(fileURLToPath(import.meta.resolve('@padnet/site/package.json'))), 'dist');
  if (!existsSync(join(folder, 'index.html')))
    throw new InputError(`${folder} has no page; build it with \`npm run build\` in padnet's repository`);
  return filesBelow(folder).map((path) => [path.replaceAll('\\', '/'), readFileSync(join(folder, path))]);
}
