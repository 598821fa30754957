/** The pictures of the other examples: Fashion-MNIST, or the IDX folder that the command line names. */
import { limitPictures, loadFashionMnist, loadIdxFolder, type ImageSplits } from 'padnet/data';

export function pictures(): ImageSplits {
  const [folder] = process.argv.slice(2);
  const { train, test } = folder === undefined ? loadFashionMnist() : loadIdxFolder(folder);
  const count = Number(process.env.PADNET_EXAMPLE_PICTURES ?? 6000);
  return { train: limitPictures(train, count), test: limitPictures(test, count) };
}
