/**
 * Every key of a recipe with values that nobody should write: the recipe is refused in lines that begin with the key
 * that was written, or all up to the first training step works.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDocument, stringify } from 'yaml';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { parseRecipe } from '../recipe/loadRecipe.js';
import { writeClassFolders, writePictures } from '../runs/pictures.test.fixture.js';
import { prepareTask } from './prepare.js';
import { recipeSchemas, type Modality, type Recipe } from '../recipe/recipe.js';
import { writeEncoder, writeTexts } from '../runs/texts.test.fixture.js';
import { Trainer } from './trainer.js';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-extremes-'));
  writePictures(join(folder, 'idx'));
  await writeClassFolders(join(folder, 'files'), 4);
  writeEncoder(join(folder, 'encoder'));
  writeTexts(join(folder, 'glue'), { train: 8, dev: 4 });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const validation = { fraction: 0.25 };

/** By what the keys are of: most keys of pictures fit both. */
const recipes = {
  idx: (): object => pictures({ name: 'idx', path: join(folder, 'idx') }),
  files: (): object => pictures({ name: 'imageFolder', path: join(folder, 'files'), size: 8 }),
  text: () => ({
    modality: 'text',
    model: { pretrained: join(folder, 'encoder'), layer: 'partial' },
    data: { task: 'rte', path: join(folder, 'glue'), batchSize: 4, validation },
    training: { epochs: 2 },
    partition: { ratio: 0.5 },
  }),
};

function pictures(data: object): object {
  return {
    model: { name: 'resnet10', layer: 'partial', stem: 'small', width: 4 },
    data: { ...data, batchSize: 8, numWorkers: 0, validation },
    training: { epochs: 2 },
    partition: { ratio: 0.5 },
  };
}

const filesOnly = /^data\.(size|classIndex|onBadPicture|randomResizedCrop|testFraction|splitSeed)/;

/** As YAML. */
const extremes = [
  '0',
  '-1',
  '1.5',
  '1e9',
  '1e300',
  '.nan',
  '.inf',
  "''",
  'nonsense',
  'null',
  '[]',
  '[3, 1, 2]',
  '{}',
  'true',
];

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

/** The keys of a schema, those of its sections too. */
function keysOf(schema: JsonSchema, prefix = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => [
    `${prefix}${name}`,
    ...keysOf(inner, `${prefix}${name}.`),
  ]);
}

function keys(modality: Modality): string[] {
  const all = keysOf(z.toJSONSchema(recipeSchemas[modality], { io: 'input' }) as JsonSchema);
  // A model's name that is no folder would be asked of the hub.
  return all.filter((key) => key !== 'modality' && !(modality === 'text' && key === 'model.pretrained'));
}

/** Prepares, and trains a step. */
async function attempt(recipe: Recipe): Promise<void> {
  const { task, training } = await prepareTask(recipe);
  const trainer = new Trainer({ task, training, partition: recipe.partition });
  for await (const { type } of trainer.run()) if (type === 'step' || type === 'epoch') break;
}

/** A recipe with the value written in the file, where the key is as if its author had written it. */
function written(recipe: object, key: string, value: string): string {
  const document = parseDocument(stringify(recipe));
  document.setIn(key.split('.'), parseDocument(value).contents);
  return document.toString();
}

/** The keys that lines of a message begin with: `r.yaml:3: data.size: …` → `data.size`. */
function blamed(message: string): string[] {
  const key = /^(?:r\.yaml:\d+: |--set .*?: )?((?:model|data|training|partition)\b[\w.[\]]*): /;
  return message.split('\n').flatMap((line) => key.exec(line)?.[1] ?? []);
}

async function outcome(recipe: object, key: string, value: string, how: 'file' | 'set'): Promise<string | null> {
  const [text, sets] = how === 'file' ? [written(recipe, key, value), []] : [stringify(recipe), [{ key, value }]];
  try {
    await attempt(parseRecipe(text, 'r.yaml', sets));
    return null;
  } catch (error) {
    expect(error, `${key}=${value}: ${String((error as Error).stack)}`).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
}

describe.each<[keyof typeof recipes, Modality]>([
  ['idx', 'image'],
  ['files', 'image'],
  ['text', 'text'],
])('%s', (name, modality) => {
  const chosen = keys(modality).filter((key) => name === 'text' || filesOnly.test(key) === (name === 'files'));

  it.each(chosen)('%s', { timeout: 60_000 }, async (key) => {
    for (const value of extremes) {
      for (const how of ['file', 'set'] as const) {
        // A key that --set takes away is as if it had not been written.
        if (how === 'set' && value === 'null') continue;
        // Fashion-MNIST is not on every machine.
        if (key === 'data' && value === '{}') continue;
        const message = await outcome(recipes[name](), key, value, how);
        if (message === null) continue;
        const told = `${key}=${value} (${how}): ${message}`;
        expect(message, told).toContain(key);
        for (const place of blamed(message))
          expect(place === key || place.startsWith(`${key}.`) || place.startsWith(`${key}[`), told).toBe(true);
        expect(message, told).not.toMatch(/undefined|\[object|E[A-Z]{4,}|typed array|RangeError|Expected/);
      }
    }
  });
});
