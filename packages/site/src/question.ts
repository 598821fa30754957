/** What the networks are asked. */

export interface PictureQuestion {
  readonly kind: 'image';
  readonly picture: Blob | ImageData;
  /** What the data say it is. */
  readonly label: string | null;
  /** One of many, from a camera: its answer is not read out. */
  readonly isLive: boolean;
}

export interface TextQuestion {
  readonly kind: 'text';
  readonly first: string;
  readonly second: string | null;
  readonly label: string | null;
  readonly isLive: false;
}

export type Question = PictureQuestion | TextQuestion;

/** Asks the networks; resolves when all have answered, or something else has been asked. */
export type Ask = (question: Question) => Promise<void>;
