/** `npm run generate -w padnet`: writes `nativeOperators.generated.ts` from the schemas in `native/operators/`. */
import { writeFileSync } from 'node:fs';
import { libraryOperators } from '@padnet/torch/generate';
import { loadNativeLibrary } from './nativeLibrary.js';

loadNativeLibrary();
writeFileSync(
  new URL('../../src/compute/nativeOperators.generated.ts', import.meta.url),
  libraryOperators('padnet', 'npm run generate -w padnet'),
);
