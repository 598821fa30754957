/** The pictures of the other examples: Fashion-MNIST, or the IDX folder that the command line names. */
import { limit, loadFashionMnist, loadIdxFolder, type ImageSplits } from 'padnet';

export function pictures(): ImageSplits {
  const [folder] = process.argv.slice(2);
  const { train, test } = folder === undefined ? loadFashionMnist() : loadIdxFolder(folder);
  const count = Number(process.env.PADNET_EXAMPLE_PICTURES ?? 6000);
  return { train: limit(train, count), test: limit(test, count) };
}
