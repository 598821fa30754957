/** The code blocks of the documentation, and what comments before them say. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../projectFiles.js';

/**
 * The kinds of fences: `sh` and `console` (commands after `$ `, with what they print) are run, `ts` is compiled and
 * run, `yaml` is a recipe or a part of one; the others are for reading.
 */
export const languages = ['sh', 'console', 'ts', 'yaml', 'json', 'text', 'python'] as const;
export type Language = (typeof languages)[number];

export interface Block {
  readonly page: string;
  /** The line of the fence, from 1. */
  readonly line: number;
  /** As the fence has it; checked by a test. */
  readonly language: string;
  readonly text: string;
  /**
   * The lines that make it whole where readers need not see them, from `<!-- before: … -->`; runs first, in the same
   * language.
   */
  readonly before: string;
  /** Why it is not run, from `<!-- not run: … -->`; else null. */
  readonly excuse: string | null;
}

/** @param page path from the root */
export function blocksOf(page: string): Block[] {
  const lines = readFileSync(join(root, page), 'utf8').split('\n');
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; index++) {
    const [, indent, fence, language] = /^( *)(`{3,})(.*)$/.exec(lines[index]!) ?? [];
    if (fence === undefined) continue;
    const end = lines.findIndex((line, other) => other > index && line.trim() === fence);
    if (end === -1) throw new Error(`${page}:${index + 1}: the block has no end`);
    const comments = commentsAbove(lines, index);
    blocks.push({
      page,
      line: index + 1,
      language: language!.trim(),
      text: lines
        .slice(index + 1, end)
        .map((line) => line.slice(indent!.length))
        .join('\n'),
      before: comments.before ?? '',
      excuse: comments['not run'] ?? null,
    });
    index = end;
  }
  return blocks;
}

/** Commands of a shell block as they are run: of a `console` those after `$ `, without what they print. */
export function shellText({ language, text }: Block): string {
  if (language !== 'console') return text;
  return text
    .split('\n')
    .flatMap((line) => (line.startsWith('$ ') ? [line.slice(2)] : []))
    .join('\n');
}

/** `<!-- key: value -->` right above a line, empty lines between. */
function commentsAbove(lines: readonly string[], index: number): Partial<Record<string, string>> {
  const found: Record<string, string> = {};
  let end = index;
  for (;;) {
    while (end > 0 && lines[end - 1]!.trim() === '') end--;
    if (end === 0 || !lines[end - 1]!.trim().endsWith('-->')) return found;
    let start = end - 1;
    while (start > 0 && !lines[start]!.trim().startsWith('<!--')) start--;
    const [, key, value] =
      /^<!--\s*(before|not run):\s*([^]*?)\s*-->$/.exec(lines.slice(start, end).join('\n').trim()) ?? [];
    if (key === undefined) return found;
    found[key] = value!;
    end = start;
  }
}
