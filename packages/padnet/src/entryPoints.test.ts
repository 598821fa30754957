import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import * as data from './data/index.js';
import * as exported from './export.js';
import * as padnet from './index.js';
import * as report from './report.js';

/**
 * The packages that a process of its own has loaded once it has imported a module and run `code` with what it exports.
 */
function packagesLoaded(module: string, code = ''): Set<string> {
  const url = new URL(module, import.meta.url).href;
  // A hook sees what is imported, the cache of CommonJS what is required.
  const hook =
    'export const load = (url, context, next) => { process._rawDebug(`loaded ${url}`); return next(url, context); };';
  const program = `
    import module, { register } from 'node:module';
    register('data:text/javascript,${encodeURIComponent(hook)}');
    const exported = await import('${url}');
    ${code}
    for (const file of Object.keys(module._cache)) process._rawDebug('loaded ' + file);`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return new Set(Array.from(stderr.matchAll(/^loaded .*node_modules\/((?:@[^/]+\/)?[^/]+)/gm), ([, name]) => name!));
}

const heavy = ['sharp', 'yaml', '@observablehq/plot', 'linkedom', 'onnxruntime-node', 'protobufjs'];
const heavyAmong = (loaded: ReadonlySet<string>): string[] => heavy.filter((name) => loaded.has(name));

it('loads neither pictures, pages nor parsers with a layer, and a parser once a recipe is parsed', () => {
  expect(heavyAmong(packagesLoaded('./layers/index.js'))).toEqual([]);
  expect(heavyAmong(packagesLoaded('./index.js'))).toEqual([]);
  expect(heavyAmong(packagesLoaded('./data/index.js'))).toEqual([]);
  const parsing = "try { exported.parseRecipe('model: {}'); } catch {}";
  expect(heavyAmong(packagesLoaded('./index.js', parsing))).toEqual(['yaml']);
  // onnxruntime is loaded with the first network that is exported.
  expect(heavyAmong(packagesLoaded('./export.js'))).toEqual(['protobufjs']);
  expect(heavyAmong(packagesLoaded('./report.js'))).toEqual(['@observablehq/plot', 'linkedom']);
}, 60_000);

it('keeps helpers to itself, and each name in one entry point', () => {
  const entries = [padnet, data, exported, report].map((entry) => Object.keys(entry));
  const names = entries.flat();
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  const helpers = ['random', 'snip', 'limit', 'accuracy', 'TensorCache', 'encodePng', 'mean', 'writeFileAtomic'];
  expect(names.filter((name) => helpers.includes(name))).toEqual([]);
  expect(Object.keys(padnet.saliencies)).toContain('snip');
});
