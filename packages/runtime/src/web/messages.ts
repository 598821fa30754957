/** What a page and its worker say to each other. */
import type { Engine, Facts } from '../engine/engine.js';
import type { LoadProgress } from '../engine/modelFiles.js';
import type { WebPicture } from './webPicture.js';
import type { WebOptions } from './webPlatform.js';

/** The name of the worker, by which the script knows that it is meant. */
export const WORKER_NAME = 'padnet-runtime';

type Method = 'picture' | 'pictureLogits' | 'text' | 'textLogits' | 'release';

/** A call of the engine, without what cannot be sent. */
export type Call = {
  readonly [M in Method]: {
    readonly method: M;
    readonly parameters: Sent<Parameters<Engine<WebPicture>[M]>>;
  };
}[Method];
type Sent<P extends readonly unknown[]> = {
  readonly [Index in keyof P]: P[Index] extends { readonly signal?: AbortSignal | undefined }
    ? Omit<P[Index], 'signal'>
    : P[Index];
};

export interface Load {
  readonly method: 'load';
  readonly folder: string;
  readonly cache: boolean;
  readonly options: WebOptions;
}

export type Request = { readonly id: number } & (Load | Call | { readonly method: 'abort' });

export type Reply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly id: number; readonly progress: LoadProgress }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly isInput: boolean; readonly message: string };

export type { Facts };
