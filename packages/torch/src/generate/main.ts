/** `npm run generate -w @padnet/torch`: writes the generated files for the libtorch that is built against. */
import { writeFileSync } from 'node:fs';
import { loadDistributed } from '../distributed/library.js';
import { native } from '../native.js';
import { registeredSchemas } from './registeredSchemas.js';
import { writeLibrary, writeMethods, writeOperators } from './operatorTypes.js';

const { version } = native.buildInfo();
const { schemas, skipped } = registeredSchemas();
const source = new URL('../../src/', import.meta.url);
writeFileSync(new URL('ops.generated.ts', source), writeOperators(schemas, version));
writeFileSync(new URL('tensorMethods.generated.ts', source), writeMethods(schemas, version));
loadDistributed();
const distributed = registeredSchemas((name) => name === 'padnet_distributed').schemas;
writeFileSync(
  new URL('distributed/operators.generated.ts', source),
  writeLibrary(distributed, 'npm run generate -w @padnet/torch', '..'),
);
console.log(`libtorch ${version}: ${schemas.length} schemas written, ${skipped.length} skipped`);
