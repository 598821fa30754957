import type { DataSplit } from '../data/index.js';
import { isThere } from '../readRegularFile.js';
import { readSplit, RunFolder } from '../runs/index.js';
import type { Terminal } from './terminal.js';

/** How a run divided its samples, and what is said where that is lost. @param path of the recipe, which may be no run */
export function splitOf(
  path: string,
  terminal: Terminal,
): { readonly split: DataSplit | undefined; readonly tell: (divided: DataSplit | null | undefined) => void } {
  const folder = new RunFolder(path);
  const split = readSplit(folder.split);
  return {
    split,
    tell: (divided) => {
      if (split || !divided || !isThere(folder.environment)) return;
      terminal.remark(
        `padnet: ${folder.split} is missing, which says what the run was tested on: its data are divided anew, as its recipe says; ` +
          'where they have changed since, what it was trained on may be among them; put the file back from a copy',
      );
    },
  };
}
