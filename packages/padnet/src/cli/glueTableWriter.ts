/** GLUE's table in the folder of its runs: JSON, Markdown and a page, written anew whenever a run has finished. */
import { resolve } from 'node:path';
import { InputError } from '../errors.js';
import { checkOutput, writeOutput } from '../outputFile.js';
import { type RunSummary, summariseRun } from '../analysis/index.js';
import {
  type FailedRun,
  type GlueMatrix,
  type GlueRun,
  glueTable,
  type MajorityScore,
  majorityScore,
  readGlueRun,
} from '../experiments/index.js';
import {
  glueDetailNetworks,
  glueDocument,
  type GlueDocument,
  glueDocumentFile,
  glueMarkdown,
  glueMarkdownFile,
  glueReport,
  glueShortNames,
  type GlueTaskRuns,
  glueText,
  glueTextTable,
  reportFile,
} from '../report/index.js';
import { holdFolder, runState } from '../runs/index.js';
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

function tableFiles(out: string) {
  return {
    json: { file: resolve(out, 'glue.json'), kind: glueDocumentFile },
    markdown: { file: resolve(out, 'glue.md'), kind: glueMarkdownFile },
    html: { file: resolve(out, 'report.html'), kind: reportFile },
  };
}

export class GlueTableWriter {
  readonly #options: GlueTableWriterOptions;
  readonly #majority: readonly MajorityScore[];
  /** By folder: a finished run does not change. */
  readonly #runs = new Map<string, GlueRun>();
  /** By folder, those that the page looks at closely. */
  readonly #summaries = new Map<string, RunSummary>();
  readonly #failed: FailedRun[] = [];
  /** Folders of finished runs that the table cannot use: they are among the failed ones. */
  readonly #unusable = new Set<string>();

  private constructor(options: GlueTableWriterOptions, majority: readonly MajorityScore[]) {
    this.#options = options;
    this.#majority = majority;
  }

  /** @throws InputError where data are missing or damaged, something else is where the table is to be, or has its folder */
  static async create(options: GlueTableWriterOptions): Promise<GlueTableWriter> {
    for (const { file, kind } of Object.values(tableFiles(options.out))) checkOutput(file, kind);
    using _hold = await holdFolder(options.out);
    const byTask = new Map(options.plans.map(({ recipe }) => [recipe.data.task, recipe]));
    return new GlueTableWriter(options, [...byTask.values()].map(majorityScore));
  }

  fail(run: FailedRun): void {
    this.#failed.push(run);
  }

  /** Of all runs that have finished, whichever process trained them. */
  async write(): Promise<WrittenTable> {
    const { matrix, out, command } = this.#options;
    const results = { matrix, runs: this.#finishedRuns(), failed: this.#failed, majority: this.#majority };
    const table = glueTable(results);
    const text = glueText(results, table);
    const origin = { command, date: new Date() };
    const document = glueDocument(results, table, text, origin);
    const page = glueReport(results, text, await this.#details(results.runs), origin);
    const { json, markdown, html } = tableFiles(out);
    using _hold = await holdFolder(out);
    writeOutput(json.file, `${JSON.stringify(document, null, 2)}\n`, json.kind);
    writeOutput(markdown.file, glueMarkdown(text, results, origin), markdown.kind);
    writeOutput(html.file, page, html.kind);
    return { document, text: glueTextTable(text), files: [`table: ${markdown.file}`, `page: ${html.file}`] };
  }

  #finishedRuns(): GlueRun[] {
    for (const { cell, folder } of this.#options.plans) {
      if (this.#runs.has(folder.path) || this.#unusable.has(folder.path) || runState(folder) !== 'finished') continue;
      try {
        this.#runs.set(folder.path, readGlueRun(folder, cell));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        this.#unusable.add(folder.path);
        this.fail({ ...cell, message: error.message });
      }
    }
    return [...this.#runs.values()];
  }

  /** Of each task the first seed that a network with experts has finished. */
  async #details(runs: readonly GlueRun[]): Promise<GlueTaskRuns[]> {
    const details: GlueTaskRuns[] = [];
    for (const task of this.#options.matrix.tasks) {
      const seeds = runs.filter((run) => run.task === task && run.dynamicRatio > 0).map(({ seed }) => seed);
      if (seeds.length === 0) continue;
      const seed = Math.min(...seeds);
      const summaries: RunSummary[] = [];
      for (const network of glueDetailNetworks) {
        const run = runs.find((each) => each.task === task && each.network === network && each.seed === seed);
        if (!run) continue;
        const summary =
          this.#summaries.get(run.run) ?? (await summariseRun(run.run, { name: glueShortNames[network] }));
        this.#summaries.set(run.run, summary);
        summaries.push(summary);
      }
      details.push({ task, seed, runs: summaries });
    }
    return details;
  }
}
