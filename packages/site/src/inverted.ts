/** The longest side of a picture that is inverted: more than networks for grey pictures take. */
const MAX_SIDE = 1024;

/** Light and dark exchanged. A file that cannot be decoded comes back as it is: the network says what is wrong. */
export async function inverted(picture: Blob): Promise<Blob | ImageData> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(picture);
  } catch {
    return picture;
  }
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(scale * side)));
  const context = new OffscreenCanvas(width!, height!).getContext('2d')!;
  context.drawImage(bitmap, 0, 0, width!, height!);
  bitmap.close();
  const pixels = context.getImageData(0, 0, width!, height!);
  for (let at = 0; at < pixels.data.length; at++) if (at % 4 !== 3) pixels.data[at] = 255 - pixels.data[at]!;
  return pixels;
}
