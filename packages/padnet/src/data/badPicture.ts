import { InputError } from '../errors.js';

/** A picture file that cannot be used. */
export interface BadPicture {
  readonly file: string;
  /** In words. */
  readonly reason: string;
}

/** Told of each picture that is left out. Without one, a bad picture is an error. */
export type OnBadPicture = (picture: BadPicture) => void;

/** Tells of each file once, however often it is met. */
export function onceEach(onBadPicture: OnBadPicture): OnBadPicture {
  const told = new Set<string>();
  return (picture) => {
    if (told.has(picture.file)) return;
    told.add(picture.file);
    onBadPicture(picture);
  };
}

const shown = 5;

/** One line a picture, the first few of them. */
export function badPictureError(
  pictures: readonly BadPicture[],
  wayOut = 'replace or remove them, or set data.onBadPicture to skip',
): InputError {
  const more = pictures.length - shown;
  return new InputError([
    ...pictures.slice(0, shown).map(({ file, reason }) => `${file}: ${reason}`),
    ...(more > 0 ? [`and ${more} more`] : []),
    `${pictures.length === 1 ? '1 picture' : `${pictures.length} pictures`} cannot be used: ${wayOut}`,
  ]);
}
