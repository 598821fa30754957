/**
 * `npm run test:docs [page…]`: runs every command and compiles and runs every TypeScript block of README and docs, each
 * page in a folder of its own with tiny data (`fixtures.ts`) and quick versions of its commands (`tinyCommand.ts`).
 * Fails where a command fails, a block is of no known kind, a recipe does not parse, or something is left that git
 * would not ignore.
 */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseRecipe } from 'padnet';
import { parseAblation } from 'padnet/report';
import { parse } from 'yaml';
import { pages, root } from '../projectFiles.js';
import { blocksOf, languages, shellText, type Block } from './blocks.js';
import { inlineProblems } from './inlineCommands.js';
import { commitInputs, leftovers, runCommands, serveHub, writeInputs } from './fixtures.js';
import { substitutions } from './substitutions.js';

const scratch = mkdtempSync(join(tmpdir(), 'padnet-docs-'));
const shims = join(scratch, 'bin');
const base = join(scratch, 'base');
const seconds = 600;

interface Outcome {
  readonly state: 'run' | 'read' | 'excused' | 'failed';
  readonly detail: string;
}

/**
 * Programs that commands begin with. `make` and `npm` (but for `npm run bench`) are asked whether they know the target;
 * the others are the real ones.
 */
function writeShims(): void {
  mkdirSync(shims, { recursive: true });
  const shim = (name: string, text: string): void => {
    writeFileSync(join(shims, name), `#!/usr/bin/env bash\nset -euo pipefail\n${text}\n`, { mode: 0o755 });
  };
  const padnet = join(root, 'tests/dist/docs/padnet.js');
  const bench = join(root, 'tests/dist/docs/bench.js');
  shim('padnet', `exec "${process.execPath}" "${padnet}" "$@"`);
  shim(
    'npx',
    `if [ "$1" = padnet ]; then shift; exec padnet "$@"; fi\n` +
      `[ -x "${root}/node_modules/.bin/$1" ] || { echo "npx: there is no $1" >&2; exit 1; }`,
  );
  shim(
    'make',
    `exec /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$HOME" make --dry-run -C "${root}" "$@" > /dev/null`,
  );
  shim(
    'npm',
    `[ "$1 $2 \${3:-}" = "run bench --" ] && shift 3 && exec "${process.execPath}" "${bench}" "$@"\n` +
      '[ "$1" = run ] && ' +
      `node -e 'process.exit(process.argv[1] in require("${root}/package.json").scripts ? 0 : 1)' "$2" || ` +
      '{ echo "npm $*: no such script" >&2; exit 1; }',
  );
}

interface Finished {
  readonly code: number | null;
  readonly output: string;
}

function run(program: string, parameters: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Finished> {
  const child = spawn(program, parameters, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 1000 * seconds });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, output });
    });
  });
}

function substituted({ page, text }: Block): string {
  return substitutions
    .filter((each) => each.page === page)
    .reduce((result, { from, to }) => result.replace(from, () => to), text);
}

/** Strict, but for variables that a short example does not use. */
function compile(folder: string): string {
  const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.base.json'), 'utf8')) as {
    compilerOptions: object;
  };
  const options = { ...compilerOptions, composite: false, declaration: false, declarationMap: false, sourceMap: false };
  const unused = { noUnusedLocals: false, noUnusedParameters: false };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...options, ...unused, outDir: 'out' }, include: ['*.ts'] }),
  );
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], { encoding: 'utf8' });
    return '';
  } catch (error) {
    return (error as { readonly stdout: string }).stdout;
  }
}

const scriptOf = ({ page, line }: Block): string => `${page.replaceAll(/[^\w]+/g, '-')}-${line}`;

/** @returns the compiler's complaints, by script */
function compileAll(blocks: readonly Block[]): ReadonlyMap<string, string> {
  const folder = join(scratch, 'ts');
  mkdirSync(folder);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  for (const block of blocks)
    writeFileSync(join(folder, `${scriptOf(block)}.ts`), `${block.before}\n${substituted(block)}\nexport {};\n`);
  const complaints = new Map<string, string>();
  for (const line of compile(folder).split('\n')) {
    const name = /([^/\\]+)\.ts\(/.exec(line)?.[1];
    if (name !== undefined) complaints.set(name, `${complaints.get(name) ?? ''}${line}\n`);
  }
  return complaints;
}

/** A recipe, an ablation, or sections of a recipe. */
function readYaml(text: string, cwd: string): string {
  const values = parse(text) as Record<string, unknown>;
  const file = join(cwd, 'recipes/fashion-mnist/page.yaml');
  try {
    if ('sweeps' in values) parseAblation(text, file);
    else
      parseRecipe(
        text,
        file,
        'training' in values ? [] : ['training.epochs=2', ...(isPartial(values) ? ['partition.ratio=0.3'] : [])],
      );
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

function isPartial(values: Record<string, unknown>): boolean {
  return (values.model as { readonly layer?: string } | undefined)?.layer === 'partial' && !('partition' in values);
}

async function checkPage(
  page: string,
  blocks: readonly Block[],
  complaints: ReadonlyMap<string, string>,
  env: NodeJS.ProcessEnv,
): Promise<Outcome[]> {
  const cwd = join(scratch, 'pages', page);
  mkdirSync(dirname(cwd), { recursive: true });
  cpSync(base, cwd, { recursive: true, verbatimSymlinks: true });
  const outcomes: Outcome[] = [];
  for (const block of blocks) {
    const outcome = await checkBlock(block, cwd, complaints, env);
    outcomes.push(outcome);
    const { state, detail } = outcome;
    if (state === 'read') continue;
    const more = detail === '' ? '' : `: ${detail.trim().replaceAll('\n', '\n         ')}`;
    console.log(`${state.padEnd(8)} ${page}:${block.line}${more}`);
  }
  const left = leftovers(cwd).map((file) => `a command leaves what git does not ignore: ${file}`);
  for (const detail of [...left, ...inlineProblems(page)]) {
    outcomes.push({ state: 'failed', detail });
    console.log(`failed   ${page}: ${detail}`);
  }
  if (outcomes.every(({ state }) => state !== 'failed')) rmSync(cwd, { recursive: true });
  return outcomes;
}

async function checkBlock(
  block: Block,
  cwd: string,
  complaints: ReadonlyMap<string, string>,
  env: NodeJS.ProcessEnv,
): Promise<Outcome> {
  const { language, before, excuse } = block;
  if (excuse !== null) return { state: 'excused', detail: excuse };
  const failed = (detail: string): Outcome => ({ state: 'failed', detail });
  const ofRun = ({ code, output }: Finished): Outcome =>
    code === 0
      ? { state: 'run', detail: '' }
      : failed(`exit code ${code}\n${output.split('\n').slice(-25).join('\n')}`);
  switch (language) {
    case 'sh':
    case 'console': {
      const text = substituted({ ...block, text: shellText(block) });
      return ofRun(await run('/bin/bash', ['-euo', 'pipefail', '-c', `${before}\n${text}`], cwd, env));
    }
    case 'ts': {
      const script = scriptOf(block);
      const complaint = complaints.get(script);
      if (complaint !== undefined) return failed(complaint);
      // In the page's folder, from where it finds data, and packages.
      const local = join(cwd, `.${script}.js`);
      cpSync(join(scratch, 'ts/out', `${script}.js`), local);
      const finished = await run(process.execPath, [local], cwd, env);
      rmSync(local);
      return ofRun(finished);
    }
    case 'yaml': {
      const complaint = readYaml(block.text, cwd);
      return complaint === '' ? { state: 'run', detail: '' } : failed(complaint);
    }
    default:
      return (languages as readonly string[]).includes(language)
        ? { state: 'read', detail: '' }
        : failed(`expected one of ${languages.join(', ')} after the fence, got ${JSON.stringify(language)}`);
  }
}

async function main(chosen: readonly string[]): Promise<void> {
  const known = chosen.length === 0 ? pages : pages.filter((page) => chosen.some((each) => page.endsWith(each)));
  const stale = substitutions.filter(({ page, from }) => !blocksOf(page).some(({ text }) => text.includes(from)));
  for (const { page, from } of stale) console.log(`failed   ${page}: no block has what is to be replaced: ${from}`);
  writeShims();
  mkdirSync(base, { recursive: true });
  await writeInputs(base);
  commitInputs(base);
  const hub = await serveHub(join(base, 'bert-base-uncased'));
  const { port } = hub.address() as { readonly port: number };
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: `${shims}:${process.env.PATH ?? ''}`,
    HF_ENDPOINT: `http://127.0.0.1:${port}`,
    PADNET_CACHE: join(scratch, 'cache'),
    PADNET_EXAMPLE_PICTURES: '128',
    OMP_NUM_THREADS: '1',
  };
  // Read once: pages may be written meanwhile.
  const blocks = new Map(known.map((page) => [page, blocksOf(page)]));
  const complaints = compileAll(
    [...blocks.values()].flat().filter(({ language, excuse }) => language === 'ts' && excuse === null),
  );
  for (const command of runCommands) {
    const { code, output } = await run('/bin/bash', ['-c', `padnet ${command}`], base, env);
    if (code !== 0) throw new Error(`padnet ${command}: ${output}`);
  }
  const outcomes: Outcome[] = [];
  const waiting = [...blocks];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      outcomes.push(...(await checkPage(...next, complaints, env)));
  };
  await Promise.all([work(), work()]);
  hub.close();
  hub.closeAllConnections();
  const count = (state: Outcome['state']): number => outcomes.filter((each) => each.state === state).length;
  const failures = count('failed') + stale.length;
  console.log(`${count('run')} run, ${count('excused')} excused, ${failures} failed`);
  if (failures === 0) rmSync(scratch, { recursive: true });
  else console.log(`see ${existsSync(join(scratch, 'pages')) ? join(scratch, 'pages') : scratch}`);
  process.exitCode = failures === 0 ? 0 : 1;
}

await main(process.argv.slice(2));
