/** The files of installing and publishing that no test can run: they name only what there is. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { root } from './projectFiles.js';

const text = (file: string): string => readFileSync(join(root, file), 'utf8');
const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
const packagingOptions = new Set(
  Array.from(text('packaging/src/main.ts').matchAll(/^ {6}'?([a-z-]+)'?: \{ type:/gm), ([, name]) => `--${name!}`),
);

/** Scripts of npm, programs and options of `npm run package` in a text that do not exist. */
function unknownIn(commands: string): string[] {
  const named = [...commands.matchAll(/npm run (?:--silent )?([\w:-]+)/g)].map(([, name]) => name!);
  const programs = [...commands.matchAll(/(?:tests|packaging)\/dist\/([\w/]+)\.js/g)].map(([file]) => file);
  const options = [...commands.matchAll(/npm run package -- ([^\n]*(?:\n +--[^\n]*)*)/g)].flatMap(([, line]) =>
    [...line!.matchAll(/--[a-z-]+/g)].map(([option]) => option),
  );
  return [
    ...named.filter((name) => !(name in scripts)),
    ...programs.filter((file) => !existsSync(join(root, file))),
    ...options.filter((option) => !packagingOptions.has(option)),
  ];
}

it('publish from jobs that there are, with commands that there are', () => {
  const workflow = text('.github/workflows/publish.yml');
  const { jobs } = parse(workflow) as {
    jobs: Record<string, { needs?: string; strategy?: { matrix: { include: { platform: string }[] } } }>;
  };
  for (const { needs } of Object.values(jobs)) if (needs !== undefined) expect(jobs).toHaveProperty(needs);
  const platforms = new Set(jobs.pack!.strategy!.matrix.include.map(({ platform }) => platform));
  expect(new Set(jobs.build!.strategy!.matrix.include.map(({ platform }) => platform))).toEqual(platforms);
  expect(workflow).toContain(`for platform in ${[...platforms].join(' ')}; do`);
  expect(packagingOptions.size).toBeGreaterThan(5);
  expect(unknownIn(workflow)).toEqual([]);
});

it('build an image from every package, and try it with what there is', () => {
  const dockerfile = text('Dockerfile');
  for (const name of readdirSync(join(root, 'packages')))
    expect(dockerfile).toContain(`COPY packages/${name}/package.json packages/${name}/`);
  expect(unknownIn(dockerfile)).toEqual([]);
  expect(unknownIn(text('scripts/fresh-system.sh'))).toEqual([]);
  expect(unknownIn('npm run packages; node tests/dist/nothing.js; npm run package -- --nothing')).toHaveLength(3);
});
