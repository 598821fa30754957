/** An ablation's tables in the folder of its runs: JSON and a page, written anew whenever a run has finished. */
import { resolve } from 'node:path';
import { InputError } from '../errors.js';
import { checkOutput, writeOutput } from '../outputFile.js';
import {
  type AblationCell,
  type AblationPlan,
  type AblationRun,
  ablationTable,
  type FailedAblationRun,
  readAblationRun,
} from '../experiments/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import {
  ablationDocument,
  type AblationDocument,
  ablationDocumentFile,
  ablationReport,
  ablationText,
  ablationTextTables,
  reportFile,
} from '../report/index.js';
import { holdFolder, runState } from '../runs/index.js';
import { runObstacle, type PlannedRun } from './trainRuns.js';

/** A run of the ablation, whether it has been trained or not. */
export interface AblationRunPlan extends PlannedRun {
  readonly cell: AblationCell;
}

export interface AblationWriterOptions extends CodeOptions {
  /** Of the ablation. */
  readonly file: string;
  readonly plan: AblationPlan;
  readonly runs: readonly AblationRunPlan[];
  readonly out: string;
  /** What makes the tables. */
  readonly command: string;
}

export interface WrittenAblation {
  readonly document: AblationDocument;
  readonly text: string;
  /** `page: …` */
  readonly files: readonly string[];
}

function tableFiles(out: string) {
  return {
    json: { file: resolve(out, 'ablation.json'), kind: ablationDocumentFile },
    html: { file: resolve(out, 'ablation.html'), kind: reportFile },
  };
}

export class AblationWriter {
  readonly #options: AblationWriterOptions;
  /** By folder: a finished run does not change. */
  readonly #runs = new Map<string, AblationRun>();
  readonly #failed: FailedAblationRun[] = [];
  /** Folders of finished runs that the tables cannot use: they are among the failed ones. */
  readonly #unusable = new Set<string>();

  constructor(options: AblationWriterOptions) {
    this.#options = options;
  }

  fail(run: FailedAblationRun): void {
    this.#failed.push(run);
  }

  /** Before anything is trained. @throws InputError where something else is where the tables are to be, or has their folder */
  async check(): Promise<void> {
    const { out } = this.#options;
    for (const { file, kind } of Object.values(tableFiles(out))) checkOutput(file, kind);
    using _hold = await holdFolder(out);
  }

  /** Reads what has finished, whichever process trained it; what is damaged counts as failed. */
  read(): void {
    for (const run of this.#options.runs) {
      const { cell, folder } = run;
      // One of another recipe is there until it is started anew.
      if (this.#runs.has(folder.path) || this.#unusable.has(folder.path)) continue;
      if (runObstacle(run) || runState(folder) !== 'finished') continue;
      try {
        this.#runs.set(folder.path, readAblationRun(folder, cell, this.#options));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        this.#unusable.add(folder.path);
        this.fail({ ...cell, message: error.message });
      }
    }
  }

  async write(): Promise<WrittenAblation> {
    const { file: name, plan, runs: plannedRuns, out, command } = this.#options;
    this.read();
    const runs = plannedRuns.flatMap(({ folder }) => this.#runs.get(folder.path) ?? []);
    const results = { plan, runs, failed: this.#failed };
    const table = ablationTable(results);
    const text = ablationText(results, table);
    const origin = { command, date: new Date() };
    const document = ablationDocument(results, table, text, origin);
    const page = ablationReport(name, results, table, text, origin);
    const { json, html } = tableFiles(out);
    using _hold = await holdFolder(out);
    writeOutput(json.file, `${JSON.stringify(document, null, 2)}\n`, json.kind);
    writeOutput(html.file, page, html.kind);
    return { document, text: ablationTextTables(text), files: [`numbers: ${json.file}`, `page: ${html.file}`] };
  }
}
