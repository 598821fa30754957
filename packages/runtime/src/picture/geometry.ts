/** Which part of a picture becomes the network's input in evaluation, as in torchvision's Resize + CenterCrop. */

export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Cut out `before`, resize to `width × height`, cut out `after`. */
export interface PictureGeometry {
  readonly before: Region | null;
  readonly width: number;
  readonly height: number;
  readonly after: Region | null;
}

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Resized, in its own proportions, to the smallest size in which the network's input is `cropFraction` of a side or
 * less, then the centre. 1: nothing is lost of a picture that has the proportions of the input already.
 */
export function centreGeometry(
  picture: PictureSize,
  { width, height }: PictureSize,
  cropFraction: number,
): PictureGeometry & { readonly before: null; readonly after: Region } {
  const [leastWidth, leastHeight] = [Math.floor(width / cropFraction), Math.floor(height / cropFraction)];
  const byWidth = picture.width * leastHeight <= picture.height * leastWidth;
  const newWidth = byWidth ? leastWidth : Math.floor((leastHeight * picture.width) / picture.height);
  const newHeight = byWidth ? Math.floor((leastWidth * picture.height) / picture.width) : leastHeight;
  const after = { left: halved(newWidth - width), top: halved(newHeight - height), width, height };
  return { before: null, width: newWidth, height: newHeight, after };
}

/** Rounded half to even, as Python does. */
function halved(difference: number): number {
  const half = difference / 2;
  return Number.isInteger(half) ? half : 2 * Math.round(half / 2);
}
