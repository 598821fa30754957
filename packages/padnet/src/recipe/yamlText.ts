/** YAML with every problem in words of ours: the parser's are for those who write parsers. */
import type { Document, LineCounter, Node, YAMLError } from 'yaml';
import type { Path } from '../schemaProblems.js';
import { yaml } from './yaml.js';

/** Why a text is no YAML that is taken here. */
export class YamlTextError extends Error {
  /** The line of the place, from 1. */
  readonly line: number;
  /** The path of the key that the place is at, as far as one is known. */
  readonly path: Path;

  constructor(message: string, { line, path }: { line: number; path: Path }, cause?: unknown) {
    super(message, { cause });
    this.line = line;
    this.path = path;
  }
}

/** Deeper than any recipe. */
const maxDepth = 32;
/** Values that the aliases of a text may stand for, each. */
const maxAliasCount = 100;

const aliasesTooMany = `its aliases stand for more than ${maxAliasCount} values; write the values out`;
const noMark = 'text that begins with & or * is not taken as it is; put it in quotes';
const tooDeep = `expected at most ${maxDepth} lists and sections within one another, there are more`;

export class YamlText {
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter = new (yaml().LineCounter)();

  /** @throws YamlTextError */
  constructor(text: string) {
    this.#document = yaml().parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, logLevel: 'error' });
    // A bad line that begins with % makes nonsense of what follows it.
    const errors = [...this.#document.errors, ...this.#document.warnings];
    const error = errors.find(({ code }) => code === 'BAD_DIRECTIVE') ?? errors[0];
    if (error) throw this.#error(error.pos[0], wordsOf(error, text), error);
    this.#checkNodes();
    try {
      this.value = this.#document.toJS({ maxAliasCount }) as unknown;
    } catch (cause) {
      throw this.#error(0, aliasesTooMany, cause);
    }
  }

  has(path: Path): boolean {
    return this.#document.hasIn(path);
  }

  /** From 1, of the key at `path`, or of the section where it is missing. */
  lineOf(path: Path): number {
    let node: unknown = this.#document.contents;
    let found = startOf(node);
    for (const key of path) {
      if (yaml().isMap(node)) {
        const pair = node.items.find((item) => String(item.key) === key);
        if (!yaml().isPair<Node, Node | null>(pair)) break;
        found = startOf(pair.key);
        node = pair.value;
      } else if (yaml().isSeq(node)) {
        node = node.items[Number(key)];
        found = node === undefined ? found : startOf(node);
      } else break;
    }
    return this.#lineAt(found);
  }

  #lineAt(position: number): number {
    return this.#lines.linePos(position).line || 1;
  }

  /** Keys that are none, aliases that lead nowhere or to what they lie in, and depth. */
  #checkNodes(): void {
    yaml().visit(this.#document, {
      Node: (_key, node, ancestors) => {
        if (ancestors.filter(yaml().isCollection).length > maxDepth) throw this.#error(startOf(node), tooDeep);
        // Text that was meant, and nothing: an override would take its key away.
        if (yaml().isScalar(node) && node.anchor !== undefined && node.source === '')
          throw this.#error(startOf(node), noMark);
        if (!yaml().isAlias(node)) return;
        const meant = node.resolve(this.#document);
        if (!meant)
          throw this.#error(
            startOf(node),
            `*${node.source} stands for no value; mark one before it by &${node.source}`,
          );
        if (ancestors.includes(meant))
          throw this.#error(startOf(node), `*${node.source} lies in the value that it stands for; write the value out`);
      },
      Pair: (_key, { key }, ancestors) => {
        if (yaml().isScalar(key) && key.value !== null) return;
        const position = key ? startOf(key) : startOf(ancestors.at(-1));
        throw this.#error(
          position,
          'expected the name of a key before the colon; put a name that YAML takes for something else in quotes',
        );
      },
    });
  }

  #error(position: number, message: string, cause?: unknown): YamlTextError {
    const { code = null } = (cause ?? {}) as Partial<YAMLError>;
    // A line without a colon is no key, nor is where a document begins.
    const path = code === 'MULTILINE_IMPLICIT_KEY' || code === 'MULTIPLE_DOCS' ? [] : this.#pathAt(position);
    return new YamlTextError(message, { line: this.#lineAt(position), path: path.slice(0, 4) }, cause);
  }

  /** The path of the last key that begins at or before a place, within the collections that reach there. */
  #pathAt(position: number): Path {
    const path: (string | number)[] = [];
    let node: unknown = this.#document.contents;
    for (;;) {
      if (yaml().isMap(node)) {
        const pair = node.items.findLast(({ key }) => yaml().isScalar(key) && startOf(key) <= position);
        if (!pair) return path;
        path.push(String(pair.key));
        node = pair.value;
      } else if (yaml().isSeq(node)) {
        const index = node.items.findLastIndex((item) => startOf(item) <= position);
        if (index === -1) return path;
        path.push(index);
        node = node.items[index];
      } else return path;
    }
  }
}

function startOf(node: unknown): number {
  return (node as Node | null | undefined)?.range?.[0] ?? 0;
}

/** @param text that the error is of */
function wordsOf({ code, message, pos: [position] }: YAMLError, text: string): string {
  const unclosed = /closing (["'])quote$|end with a ([\]}])$/.exec(message)?.slice(1).find(Boolean);
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'it is there twice; remove one of them';
    case 'MULTIPLE_DOCS':
      return 'a line of --- begins a second document; expected one, put the other into a file of its own';
    case 'MULTILINE_IMPLICIT_KEY':
      return 'expected a colon after the name of a key, such as `epochs: 3`';
    case 'TAB_AS_INDENT':
      return 'it is indented by a tab; use spaces';
    case 'BAD_INDENT':
    case 'MISSING_CHAR':
      if (unclosed !== undefined) return `expected a closing ${unclosed}, found none`;
      if (message.includes('map values'))
        return 'expected a colon and a value after the name of a key, such as `epochs: 3`';
      return code === 'BAD_INDENT'
        ? 'it is indented differently from the lines around it; begin keys of one section in one column'
        : unexpected(text, position);
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'there are two colons in one line; put text with a colon in quotes, or each key on a line of its own';
    case 'BAD_DQ_ESCAPE':
      return 'a \\ in double quotes begins something unknown; use single quotes';
    case 'BAD_DIRECTIVE':
      return 'text that begins with % is not taken as it is; put it in quotes';
    case 'TAG_RESOLVE_FAILED':
    case 'MULTIPLE_TAGS':
    case 'BAD_COLLECTION_TYPE':
      return 'text that begins with ! is not taken as it is; put it in quotes';
    case 'BAD_ALIAS':
    case 'ALIAS_PROPS':
    case 'MULTIPLE_ANCHORS':
    case 'BAD_PROP_ORDER':
      return noMark;
    case 'RESOURCE_EXHAUSTION':
      return tooDeep;
    default:
      return unexpected(text, position);
  }
}

function unexpected(text: string, position: number): string {
  const found = text.slice(position).trimStart().slice(0, 1);
  return found === ''
    ? 'it ends too early'
    : `${JSON.stringify(found)} is not expected here; put text in quotes that begins with a sign`;
}
