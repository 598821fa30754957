import { basename, dirname } from 'node:path';

/** The name of weights on the hub; of a file or folder, its own name and that of the folder above. */
export function pretrainedName(pretrained: string): string {
  const parent = basename(dirname(pretrained));
  const own = basename(pretrained);
  return ['', '.', '..'].includes(parent) ? own : `${parent}/${own}`;
}
