/** `[height, width, 3]` → `[height, width]`, by PIL's luma: grey stays what it is. */
export function greyOfRgb(rgb: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgb.length / 3);
  for (let place = 0; place < grey.length; place++) {
    const [r, g, b] = [rgb[3 * place]!, rgb[3 * place + 1]!, rgb[3 * place + 2]!] as const;
    grey[place] = (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16;
  }
  return grey;
}
