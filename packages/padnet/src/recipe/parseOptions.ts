/** A section of a recipe that was written in TypeScript. */
import type { z } from 'zod';
import { InputError } from '../errors.js';
import { parseAs } from '../schemaProblems.js';

/** @throws InputError naming the section and what is wrong with it */
export function parseOptions<T>(section: string, schema: z.ZodType<T>, value: unknown): T {
  return parseAs(schema, value, (problems) => new InputError(`${section}: ${problems}`));
}
