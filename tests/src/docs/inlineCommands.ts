/**
 * Commands within sentences, such as `padnet eval --coefficient-threshold 0.05`, and in blocks that are not run: their
 * options have to exist.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../projectFiles.js';
import { blocksOf, shellText } from './blocks.js';

const program = join(root, 'packages/padnet/bin/padnet.js');

/** Commands that have others below them. */
const parents = new Set(['mask']);

const helps = new Map<string, string>();

function help(command: string): string {
  const known = helps.get(command);
  if (known !== undefined) return known;
  const text = execFileSync(process.execPath, [program, ...command.split(' '), '--help'], { encoding: 'utf8' });
  // For an unknown command, the help is that of all.
  if (!text.includes(`Usage: padnet ${command}`)) throw new Error(`there is no padnet ${command}`);
  helps.set(command, text);
  return text;
}

/** The faults of the commands in the sentences of a page, one line each. */
export function inlineProblems(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^( *)```[^]*?^\1```$/gm, '');
  const spans = Array.from(text.matchAll(/`(?:npx )?padnet ([^`]+)`/g), ([, span]) => span!.replaceAll(/\s+/g, ' '));
  const excused = blocksOf(page)
    .filter(({ excuse, language }) => excuse !== null && ['sh', 'console'].includes(language))
    .flatMap((block) =>
      Array.from(
        shellText(block)
          .replaceAll(/\\\n\s*/g, ' ')
          .matchAll(/\bpadnet ([a-z].*)$/gm),
        ([, line]) => line!,
      ),
    );
  // What follows `launch … --` is a command as well.
  const commands = [...spans, ...excused].flatMap((span) => span.split(' -- '));
  return commands.flatMap((span) => {
    const words = span.split(' ');
    const command = words.slice(0, parents.has(words[0]!) && /^[a-z]+$/.test(words[1] ?? '') ? 2 : 1).join(' ');
    const options = words.flatMap((word) => /^--[a-z][\w-]*/.exec(word) ?? []);
    try {
      const known = new Set(help(command).match(/--[a-z][\w-]*/g));
      return options
        .filter((option) => !known.has(option))
        .map((option) => `\`padnet ${span}\`: there is no ${option}`);
    } catch {
      return [`\`padnet ${span}\`: there is no such command`];
    }
  });
}
