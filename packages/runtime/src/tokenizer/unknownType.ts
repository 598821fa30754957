import type * as z from 'zod/mini';

/** The message for a step whose `type` is not known here. */
export const unknownType: z.core.$ZodErrorMap = (issue) => {
  if (issue.code !== 'invalid_union' || !('options' in issue)) return undefined;
  const { type } = issue.input as { readonly type?: unknown };
  return (
    `${type === undefined ? 'nothing' : JSON.stringify(type)} is not known here, ` +
    `expected one of ${(issue.options as string[]).join(', ')}`
  );
};
