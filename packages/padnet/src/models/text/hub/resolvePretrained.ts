/** Pretrained models by name: from the Hugging Face hub into a cache, once. */
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '@padnet/torch';
import { z } from 'zod';
import { cacheFolder } from '../../../cacheFolder.js';
import { InputError } from '../../../errors.js';
import { makeFolder } from '../../../outputFile.js';
import { maxSettingsBytes, readRegularText } from '../../../readRegularFile.js';
import { readTextConfig } from '../loadPretrained.js';
import { shardNames, weightFiles } from '../readWeights.js';
import { downloadFile, exists, type DownloadProgress, type DownloadResult } from './downloadFile.js';
import type { Hub } from './hubRequest.js';
import { cachePath, checkRevision, isModelName } from './modelName.js';

export type { DownloadProgress } from './downloadFile.js';

export interface ResolvePretrainedOptions {
  /** The hub's address. @default `$HF_ENDPOINT`, else https://huggingface.co */
  readonly hub?: string;
  /** The folder that models are kept in. @default `$PADNET_CACHE`, else ~/.cache/padnet */
  readonly cache?: string;
  /** A branch, tag or commit. @default 'main' */
  readonly revision?: string;
  /** Called whenever bytes have come. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
}

/** The files that a tokenizer may be made of. */
const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
] as const;

/** Beside the model's files: how far its download is. */
const stateFile = 'padnet-download.json';
const stateSchema = z.object({ commit: z.string().nullable(), complete: z.boolean() });
type State = z.infer<typeof stateSchema>;

/**
 * The folder of a model, for `loadPretrained` and tokenizers: `nameOrFolder` itself where that is a folder, else the
 * cache's for the model of this name on the hub (`organisation/name`, or `name`). What is not there is downloaded:
 * configuration, tokenizer and weights, checked and resumed as in `downloadFile`; what is there is not asked for again.
 * `$HF_TOKEN` gives access to private models.
 *
 * @throws InputError where it is neither folder nor name, the hub has no such model or cannot be reached, or a file is
 *   not what it should be; the signal's reason where it is aborted. What has arrived is kept for the next time.
 */
export async function resolvePretrained(nameOrFolder: string, options: ResolvePretrainedOptions = {}): Promise<string> {
  if (await isFolder(nameOrFolder)) return nameOrFolder;
  if (!isModelName(nameOrFolder)) {
    throw new InputError(
      `${JSON.stringify(nameOrFolder)}: there is no such folder, and it is not a name on the hub, ` +
        'such as organisation/name',
    );
  }
  const cache = options.cache ?? cacheFolder();
  const revision = checkRevision(options.revision ?? 'main');
  const folder = join(cache, ...cachePath(nameOrFolder, revision));
  const state = readState(folder);
  if (state?.complete) return folder;
  makeFolder(folder);
  const hub: Hub = {
    endpoint: endpointOf(options.hub ?? setting('HF_ENDPOINT') ?? 'https://huggingface.co'),
    token: setting('HF_TOKEN'),
    signal: options.signal ?? null,
  };
  await new ModelDownload(hub, nameOrFolder, revision, folder, state, options.onProgress).run();
  return folder;
}

class ModelDownload {
  constructor(
    private readonly hub: Hub,
    private readonly name: string,
    private readonly revision: string,
    private readonly folder: string,
    private state: State | null,
    private readonly onProgress: ResolvePretrainedOptions['onProgress'],
  ) {}

  async run(): Promise<void> {
    // A run that ended before it noted the commit may have left a configuration of another.
    if (this.state === null) await rm(join(this.folder, 'config.json'), { force: true });
    await this.require('config.json');
    // Before hundreds of megabytes are fetched for a model that cannot be used.
    try {
      readTextConfig(this.folder);
    } catch (error) {
      await rm(join(this.folder, 'config.json'));
      throw error;
    }
    for (const file of tokenizerFiles) await this.fetchIfThere(file);
    await this.fetchWeights();
    this.writeState({ commit: this.state?.commit ?? null, complete: true });
  }

  private async fetchWeights(): Promise<void> {
    for (const file of weightFiles) {
      if (!(await this.fetchIfThere(file))) continue;
      if (file === 'model.safetensors.index.json') {
        for (const shard of shardNames(join(this.folder, file))) await this.require(shard);
      }
      return;
    }
    throw new InputError(
      `${this.name}: the hub has no weights for PyTorch, expected one of ${weightFiles.join(', ')}; ` +
        'choose another model',
    );
  }

  /** @returns whether the model has it */
  private async fetchIfThere(file: string): Promise<boolean> {
    const result = await this.fetch(file);
    if (result.status === 'downloaded') return true;
    if (result.code === 404) return false;
    throw this.refusal(file, result);
  }

  private async require(file: string): Promise<void> {
    const result = await this.fetch(file).catch((error: unknown) => {
      if (file !== 'config.json' || !(error instanceof InputError)) throw error;
      throw new InputError(`there is no folder ${this.name}, and on the hub ${error.message}`, { cause: error });
    });
    if (result.status === 'refused') throw this.refusal(file, result);
  }

  private refusal(file: string, { code, reason }: DownloadResult & { readonly status: 'refused' }): InputError {
    const at = `${this.hub.endpoint.host}${reason === '' ? '' : ` (${reason})`}`;
    return new InputError(
      file === 'config.json'
        ? `${this.name}: no such model at ${at}, or it is private: check the name and revision ${this.revision}, or ` +
            `set HF_TOKEN to a token that may read it (the hub answers ${code}); there is no folder of that name either`
        : `${this.name}: its file ${file} is ${code === 404 ? 'missing' : 'refused'} at ${at}, which answers ${code}`,
    );
  }

  /** Does nothing for a file that is there. All files are of the commit that the first one was of. */
  private async fetch(file: string): Promise<DownloadResult> {
    const { hub, name, folder } = this;
    const target = join(folder, file);
    if (await exists(target)) return { status: 'downloaded', commit: null };
    const revision = encodeURIComponent(this.state?.commit ?? this.revision);
    const base = hub.endpoint.href.replace(/\/$/, '');
    const result = await downloadFile({
      hub,
      url: new URL(`${base}/${name}/resolve/${revision}/${file}`),
      target,
      onProgress: (progress) => this.onProgress?.({ file, ...progress }),
    });
    if (result.status === 'downloaded' && !this.state?.commit) {
      this.writeState({ commit: result.commit, complete: false });
    }
    return result;
  }

  private writeState(state: State): void {
    this.state = state;
    writeFileAtomically(join(this.folder, stateFile), (write) => {
      write(new TextEncoder().encode(`${JSON.stringify(state)}\n`));
    });
  }
}

/** null where nothing was begun */
function readState(folder: string): State | null {
  const options = { expected: 'what was downloaded', maxBytes: maxSettingsBytes };
  try {
    return stateSchema.parse(JSON.parse(readRegularText(join(folder, stateFile), options)));
  } catch {
    return null;
  }
}

/** An environment variable; null where it is unset or empty, as containers leave what is not given. */
function setting(name: string): string | null {
  const value = process.env[name]?.trim() ?? '';
  return value === '' ? null : value;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function endpointOf(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  throw new InputError(
    `the hub's address ${JSON.stringify(address)} is not valid; expected one such as https://huggingface.co`,
  );
}
