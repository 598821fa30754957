/** The documentation says what the code does: every key of a recipe, and no link into nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { recipeSchemas } from 'padnet';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

function keysOf(schema: JsonSchema, prefix = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) =>
    inner.properties ? keysOf(inner, `${prefix}${name}.`) : [`${prefix}${name}`],
  );
}

describe('the documentation', () => {
  it('lists exactly the keys of a recipe', () => {
    const text = readFileSync(join(root, 'docs/recipes.md'), 'utf8');
    const documented = [...text.matchAll(/`((?:model|data|training|partition)(?:\.\w+)+)`/g)].map((match) => match[1]);
    const keys = Object.values(recipeSchemas)
      .flatMap((schema) => keysOf(z.toJSONSchema(schema, { io: 'input' }) as JsonSchema))
      .filter((key) => key !== 'modality');
    expect(keys.length).toBeGreaterThan(70);
    expect([...new Set(documented)].sort()).toEqual([...new Set(keys)].sort());
  });

  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  ];
  it.each(pages)('%s has no link to a file that is not there', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((link) => !/^https?:/.test(link));
    expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
  });
});
