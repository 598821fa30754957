/**
 * The picture of `docs/architecture.md`, drawn from the imports of `packages/padnet/src`: `npm run architecture` writes
 * it, and a test shows that it is current.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';
import { instance } from '@viz-js/viz';
import { root } from '../projectFiles.js';

export const picture = join(root, 'docs/images/architecture.svg');
const source = join(root, 'packages/padnet/src');

interface Storey {
  readonly title: string;
  readonly colour: string;
  /** Folder → what lives there. */
  readonly folders: Readonly<Record<string, string>>;
}

/** From the ground upwards; a new folder has to be placed here. */
export const storeys: readonly Storey[] = [
  {
    title: 'the paper',
    colour: '#fde8c8',
    folders: {
      dynamic: 'routers, banks, sources',
      partial: 'masks, θ(x)',
      layers: 'DynamicConv, MoELinear',
      partition: 'scores, rounds, masks',
      convert: 'static to dynamic and back',
    },
  },
  { title: 'how it is computed', colour: '#f6d5d5', folders: { compute: 'kernels, plans, costs' } },
  {
    title: 'networks and data',
    colour: '#d8ead3',
    folders: {
      ownCode: 'code that a recipe names',
      models: 'networks, pretrained weights',
      data: 'pictures, texts, loaders',
    },
  },
  {
    title: 'runs',
    colour: '#d3e3f3',
    folders: {
      recipe: 'keys, defaults, YAML',
      runs: 'all that is on disk',
      training: 'trainer, tasks',
    },
  },
  {
    title: 'what leaves the trainer',
    colour: '#d3efec',
    folders: { export: 'compact form, ONNX' },
  },
  {
    title: 'what is seen of them',
    colour: '#e4dcf1',
    folders: {
      analysis: 'what a network is and does',
      experiments: 'recipes × seeds → table',
      report: 'tables, pages, charts',
      cli: 'a file a command',
    },
  },
];

/** Folder → the folders that its files import from, tests apart. */
export function importsByFolder(): Map<string, Set<string>> {
  const imports = new Map<string, Set<string>>();
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).sort();
  for (const file of files.filter((name) => /^\w+\/.*\.ts$/.test(name) && !name.includes('.test.'))) {
    const [folder = ''] = file.split('/');
    const found = imports.get(folder) ?? new Set<string>();
    imports.set(folder, found);
    for (const [, path = ''] of readFileSync(join(source, file), 'utf8').matchAll(/ from '(\.[^']+)'/g)) {
      const [other = '', ...rest] = normalize(join(dirname(file), path)).split('/');
      if (other !== folder && rest.length > 0) found.add(other);
    }
  }
  return imports;
}

/** The imports that do not follow from others: a → c is left out where a → b → … → c. */
function withoutImplied(imports: ReadonlyMap<string, ReadonlySet<string>>): [from: string, to: string][] {
  const reach = (from: string): Set<string> => {
    const others = [...(imports.get(from) ?? [])];
    return new Set(others.flatMap((other) => [other, ...reach(other)]));
  };
  return [...imports].flatMap(([from, others]) =>
    [...others].sort().flatMap((to): [string, string][] => {
      const isImplied = [...others].some((other) => other !== to && reach(other).has(to));
      return isImplied ? [] : [[from, to]];
    }),
  );
}

export async function drawArchitecture(): Promise<string> {
  const imports = importsByFolder();
  const nodes = storeys.flatMap(({ colour, folders }) =>
    Object.entries(folders).map(
      ([name, what]) =>
        `${name} [fillcolor="${colour}", label="${name}\n${what}", URL="../../packages/padnet/src/${name}"];`,
    ),
  );
  const key = storeys.map(
    ({ title, colour }) =>
      `<tr><td bgcolor="${colour}" width="22" height="14"></td><td align="left">${title}</td></tr>`,
  );
  const table = `<table border="0" cellspacing="4">${key.join('')}</table>`;
  const legend = `key [shape=plain, style="", fixedsize=false, width=0, height=0, label=<${table}>];`;
  const arrows = withoutImplied(imports).map(([from, to]) => `${from} -> ${to};`);
  const graph = `digraph {
    graph [nodesep=0.3, ranksep=0.22];
    node [shape=box, style="rounded,filled", color="#666666", fontname="sans-serif", fontsize=12];
    node [width=2.5, height=0.5, fixedsize=true];
    edge [color="#555555", arrowsize=0.6];
    ${[...nodes, legend, ...arrows].join('\n')}
    {rank=same; cli; key;}
  }`;
  return (await instance()).renderString(graph, { format: 'svg' });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(picture, await drawArchitecture());
