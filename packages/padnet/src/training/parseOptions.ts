/** A section of a recipe that was written in TypeScript. */
import type { z } from 'zod';
import { describeIssues, InputError } from '../errors.js';

/** @throws InputError naming the section and what is wrong with it */
export function parseOptions<Schema extends z.ZodType>(
  section: string,
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new InputError(`${section}: ${describeIssues(parsed.error)}`, { cause: parsed.error });
  return parsed.data;
}
