/** A picture between decoding and normalisation; what changes it does so in place. */
export interface Pixels {
  /** `[channels, height, width]`. */
  readonly data: Uint8Array;
  /** 1 (grey) or 3 (RGB), where colours are changed. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}
