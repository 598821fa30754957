/** GLUE's table in the folder of its runs: JSON, Markdown and a page, written anew whenever a run has finished. */
import { resolve } from 'node:path';
import type { FailedRun, GlueDocument, GlueRun, MajorityScore } from '../report/index.js';
import type { GlueMatrix } from '../training/index.js';
import type { GluePlan } from './glue.js';
import type { Terminal } from './terminal.js';

export interface GlueTableWriterOptions {
  readonly matrix: GlueMatrix;
  readonly plans: readonly GluePlan[];
  readonly out: string;
  /** What makes the table. */
  readonly command: string;
  readonly terminal: Terminal;
}

export interface WrittenTable {
  readonly document: GlueDocument;
  readonly text: string;
  /** `table: …` */
  readonly files: readonly string[];
}

export class GlueTableWriter {
  readonly #options: GlueTableWriterOptions;
  readonly #majority: readonly MajorityScore[];
  /** By folder: a finished run does not change. */
  readonly #runs = new Map<string, GlueRun>();
  readonly #failed: FailedRun[] = [];

  private constructor(options: GlueTableWriterOptions, majority: readonly MajorityScore[]) {
    this.#options = options;
    this.#majority = majority;
  }

  /** @throws InputError where data are missing or damaged */
  static async create(options: GlueTableWriterOptions): Promise<GlueTableWriter> {
    const { majorityScore } = await import('../report/index.js');
    const byTask = new Map(options.plans.map(({ recipe }) => [recipe.data.task, recipe]));
    return new GlueTableWriter(options, [...byTask.values()].map(majorityScore));
  }

  fail(run: FailedRun): void {
    this.#failed.push(run);
  }

  /** Of all runs that have finished, whichever process trained them. */
  async write(): Promise<WrittenTable> {
    const { matrix, out, command } = this.#options;
    const [{ glueDocument, glueMarkdown, glueTable, glueText, glueTextTable }, { writeFileAtomic }] = await Promise.all(
      [import('../report/index.js'), import('../training/index.js')],
    );
    const results = { matrix, runs: await this.#finishedRuns(), failed: this.#failed, majority: this.#majority };
    const table = glueTable(results);
    const text = glueText(results, table);
    const origin = { command, date: new Date() };
    const document = glueDocument(results, table, text, origin);
    const file = (name: string): string => resolve(out, name);
    writeFileAtomic(file('glue.json'), `${JSON.stringify(document, null, 2)}\n`);
    writeFileAtomic(file('glue.md'), glueMarkdown(text, results, origin));
    return { document, text: glueTextTable(text), files: [`table: ${file('glue.md')}`] };
  }

  async #finishedRuns(): Promise<GlueRun[]> {
    const [{ readGlueRun }, { runState }] = await Promise.all([
      import('../report/index.js'),
      import('../training/index.js'),
    ]);
    for (const { cell, folder } of this.#options.plans) {
      if (this.#runs.has(folder.path) || runState(folder) !== 'finished') continue;
      this.#runs.set(folder.path, readGlueRun(folder, cell));
    }
    return [...this.#runs.values()];
  }
}
