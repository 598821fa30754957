import { InputError } from '../../errors.js';

/** The folder that `data.path` has to name, by `data.name`. */
const neededFolders = {
  cifar10: 'the folder of its binary version (data_batch_1.bin … test_batch.bin)',
  cifar100: 'the folder of its binary version (train.bin, test.bin)',
  idx: 'the folder with the IDX files',
  imageFolder: 'the folder with train and val',
  glue: 'the folder that holds CoLA/, RTE/, SST-2/ … (https://gluebenchmark.com/tasks)',
} as const;

/** The `data.path` of data that are nowhere by default. @throws InputError where it is not given */
export function neededPath(name: keyof typeof neededFolders, path: string | undefined): string {
  if (path !== undefined) return path;
  throw new InputError(`data.path: data.name is ${name}, so ${neededFolders[name]} is needed`);
}
