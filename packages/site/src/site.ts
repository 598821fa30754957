/** `site.json`: which networks the page shows, and what there is to try. */
import { InputError } from '@padnet/runtime';
import * as z from 'zod/mini';

/** Beneath the page's own folder: never somewhere else. */
const path = z
  .string()
  .check(z.regex(/^(?!.*(?:^|\/)\.\.?(?:\/|$))[^/\\?#:%][^\\?#:%]*$/, 'expected a path beneath the page'));

const label = z.nullable(z.string());

const siteSchema = z.object({
  format: z.literal('padnet-site-1'),
  title: z.string(),
  modality: z.enum(['image', 'text']),
  models: z
    .array(
      z.object({
        folder: path,
        label: z.string(),
        layer: z.enum(['static', 'dynamic', 'partial']),
        /** What is downloaded. */
        bytes: z.int().check(z.minimum(0)),
        score: z.nullable(z.object({ metric: z.string(), value: z.number() })),
      }),
    )
    .check(z.minLength(1), z.maxLength(4)),
  samples: z.array(
    z.union([z.object({ file: path, label }), z.object({ text: z.string(), second: z.nullable(z.string()), label })]),
  ),
});

export type Site = z.infer<typeof siteSchema>;
export type SiteModel = Site['models'][number];
export type PictureSample = Extract<Site['samples'][number], { readonly file: string }>;
export type TextSample = Extract<Site['samples'][number], { readonly text: string }>;

/** @throws InputError naming the key that is wrong */
export function parseSite(text: string): Site {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new InputError('site.json is damaged: it is no JSON; make the page again with `padnet export --web`', {
      cause,
    });
  }
  const { success, data, error } = siteSchema.safeParse(json);
  if (success) return data;
  throw new InputError(
    `site.json is damaged or of another version, at ${error.issues[0]!.path.join('.') || 'the top'}; ` +
      'make the page again with `padnet export --web`',
  );
}
