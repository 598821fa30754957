/** `node tests/dist/tinyProject.js FOLDER`: pictures and a recipe that trains in seconds, to try an installation. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyRecipe, writePictures } from './padnetProcess.js';

/** Writes `pictures/` and `recipe.yaml`: a partially dynamic ResNet-10, two epochs with a partition between them. */
export function writeTinyProject(folder: string): void {
  writePictures(join(folder, 'pictures'));
  writeFileSync(join(folder, 'recipe.yaml'), tinyRecipe('pad'));
}

if (process.argv[1] === import.meta.filename) writeTinyProject(process.argv[2] ?? '.');
