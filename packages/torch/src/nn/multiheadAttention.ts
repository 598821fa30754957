/**
 * Attention of several heads, as `torch.nn.MultiheadAttention` (Vaswani et al. 2017): of each head softmax(q kᵀ /
 * √headDim + mask) v, where q, k and v are linear in query, key and value, and the heads lie side by side before the
 * last linear layer. Lengths: L of the query, S of key and value.
 */
import { noGrad } from '../autograd.js';
import { empty, zeros } from '../creation.js';
import * as ops from '../ops.generated.js';
import { checkOptions } from '../options.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { checkRange, checkWhole } from './checks.js';
import { dropped } from './dropout.js';
import { xavierNormal_, xavierUniform_ } from './init.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface MultiheadAttentionOptions {
  /** Features of the query and of the output; must be a multiple of numHeads. */
  readonly embedDim: number;
  readonly numHeads: number;
  /** Probability that a weight of attention is 0 while training. @default 0 */
  readonly dropout?: number;
  /** Whether projections have biases. @default true */
  readonly bias?: boolean;
  /** Whether key and value get one position more, whose features are trained. @default false */
  readonly addBiasKv?: boolean;
  /** Whether key and value get one position more, of zeros. @default false */
  readonly addZeroAttn?: boolean;
  /** Features of the key. @default embedDim */
  readonly kdim?: number;
  /** Features of the value. @default embedDim */
  readonly vdim?: number;
  /** Whether tensors are [batch, length, features] rather than [length, batch, features]. @default false */
  readonly batchFirst?: boolean;
}

/** Masks are bool, true for what is not seen; or of a floating dtype, added to the scores before the softmax. */
export interface AttentionOptions {
  /** [batch, S]; [S] without a batch. Padding, usually. */
  readonly keyPaddingMask?: Tensor | null;
  /** [L, S], or [batch · numHeads, L, S] */
  readonly attnMask?: Tensor | null;
  /** Whether the weights are given too. @default true */
  readonly needWeights?: boolean;
  /** Whether they are the mean of the heads. @default true */
  readonly averageAttnWeights?: boolean;
}

/** Projections start as U(±√(6 / (fan-in + fan-out))), the output's as those of `Linear`, all biases from 0. */
export class MultiheadAttention extends Module {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly dropout: number;
  readonly addZeroAttn: boolean;
  readonly batchFirst: boolean;
  /** Those of query, key and value: [3 embedDim, embedDim]; null where they have their own. */
  readonly inProjWeight: Parameter | null;
  /** [embedDim, embedDim] */
  readonly qProjWeight: Parameter | null;
  /** [embedDim, kdim] */
  readonly kProjWeight: Parameter | null;
  /** [embedDim, vdim] */
  readonly vProjWeight: Parameter | null;
  /** [3 embedDim] */
  readonly inProjBias: Parameter | null;
  readonly outProj: Linear;
  /** [1, 1, embedDim] */
  readonly biasK: Parameter | null;
  /** [1, 1, embedDim] */
  readonly biasV: Parameter | null;

  /**
   * @throws RangeError where a size is no whole number of at least 1, the heads do not divide embedDim, or dropout is
   *   no probability
   */
  constructor(options: MultiheadAttentionOptions) {
    super();
    const { embedDim, numHeads, dropout = 0, bias = true, addBiasKv = false, addZeroAttn = false } = options;
    const { kdim = embedDim, vdim = embedDim, batchFirst = false } = options;
    for (const [name, value] of Object.entries({ embedDim, numHeads, kdim, vdim })) checkWhole(name, value, 1);
    if (embedDim % numHeads !== 0) throw new RangeError(`numHeads ${numHeads} must divide embedDim ${embedDim}`);
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.dropout = checkRange('dropout', dropout, 0, 1);
    this.addZeroAttn = addZeroAttn;
    this.batchFirst = batchFirst;
    const outProj = new Linear({ inFeatures: embedDim, outFeatures: embedDim, bias }); // drawn first, as in PyTorch
    const projection = (rows: number, features: number): Parameter =>
      new Parameter(xavierUniform_(empty([rows, features])));
    const joint = kdim === embedDim && vdim === embedDim;
    this.inProjWeight = joint ? projection(3 * embedDim, embedDim) : null;
    this.qProjWeight = joint ? null : projection(embedDim, embedDim);
    this.kProjWeight = joint ? null : projection(embedDim, kdim);
    this.vProjWeight = joint ? null : projection(embedDim, vdim);
    this.inProjBias = bias ? new Parameter(zeros([3 * embedDim])) : null;
    this.outProj = outProj;
    this.biasK = addBiasKv ? new Parameter(xavierNormal_(empty([1, 1, embedDim]))) : null;
    this.biasV = addBiasKv ? new Parameter(xavierNormal_(empty([1, 1, embedDim]))) : null;
    scope(() => noGrad(() => outProj.bias?.zero_()));
  }

  /**
   * @param query [L, batch, embedDim]; [batch, L, embedDim] where the batch is first; [L, embedDim] without one
   * @param key [S, batch, kdim], and so on
   * @param value [S, batch, vdim], and so on
   * @returns the output, of the query's shape, and the weights: [batch, L, S], the mean of the heads; [batch, numHeads,
   *   L, S] of each; null where they are not wanted. S counts the positions that are added
   * @throws TypeError where shapes do not belong together, naming them
   */
  forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: AttentionOptions = {},
  ): [output: Tensor, weights: Tensor | null] {
    checkOptions('MultiheadAttention', options, ['keyPaddingMask', 'attnMask', 'needWeights', 'averageAttnWeights']);
    const { keyPaddingMask = null, attnMask = null, needWeights = true, averageAttnWeights = true } = options;
    if (query.dim === 2) {
      const dim = this.batchFirst ? 0 : 1;
      const [batched, padding] = [[query, key, value].map((each) => each.unsqueeze(dim)), keyPaddingMask?.unsqueeze(0)];
      const batchedOptions = { ...options, keyPaddingMask: padding ?? null };
      const [output, weights] = this.forward(batched[0]!, batched[1]!, batched[2]!, batchedOptions);
      return [output.squeeze(dim), weights?.squeeze(0) ?? null];
    }
    const inputs = [query, key, value].map((each) => (this.batchFirst ? each.transpose(0, 1) : each));
    const [length, batch] = this.checkShapes(inputs, [query, key, value]);
    const { embedDim, numHeads, biasK, biasV } = this;
    const headDim = embedDim / numHeads;
    let [q, k, v] = this.project(inputs);
    let added = 0;
    if (biasK && biasV) {
      k = ops.cat([k, biasK.expand([1, batch, embedDim])]);
      v = ops.cat([v, biasV.expand([1, batch, embedDim])]);
      added += 1;
    }
    const heads = (x: Tensor): Tensor => x.reshape([x.shape[0]!, batch * numHeads, headDim]).transpose(0, 1);
    [q, k, v] = [heads(q), heads(k), heads(v)];
    if (this.addZeroAttn) {
      const zero = k.newZeros([batch * numHeads, 1, headDim]);
      [k, v] = [ops.cat([k, zero], { dim: 1 }), ops.cat([v, zero], { dim: 1 })];
      added += 1;
    }
    let scores = ops.bmm(q.mul(headDim ** -0.5), k.transpose(1, 2));
    const mask = this.mask(attnMask, keyPaddingMask, [length, batch, k.shape[1]! - added, added], q);
    if (mask) scores = scores.add(mask);
    const weights = dropped(scores.softmax(-1), this.dropout, this.training);
    const joined = ops.bmm(weights, v).transpose(0, 1).reshape([length, batch, embedDim]);
    const output = this.outProj.forward(joined);
    const perHead = needWeights ? weights.reshape([batch, numHeads, length, k.shape[1]!]) : null;
    return [
      this.batchFirst ? output.transpose(0, 1) : output,
      averageAttnWeights ? (perHead?.mean([1]) ?? null) : perHead,
    ];
  }

  /** q [L, batch, embedDim], k and v [S, batch, embedDim] */
  private project([query, key, value]: readonly Tensor[]): [q: Tensor, k: Tensor, v: Tensor] {
    const { embedDim, inProjWeight } = this;
    const biases = this.inProjBias ? ops.chunk(this.inProjBias, 3) : [null, null, null];
    const weights = inProjWeight
      ? [0, 1, 2].map((part) => inProjWeight.narrow(0, part * embedDim, embedDim))
      : [this.qProjWeight!, this.kProjWeight!, this.vProjWeight!];
    const of = (input: Tensor, part: 0 | 1 | 2): Tensor =>
      ops.linear(input, weights[part]!, { bias: biases[part] ?? null });
    return [of(query!, 0), of(key!, 1), of(value!, 2)];
  }

  /**
   * Both masks as one that is added to scores [batch · numHeads, L, S + added], which it is broadcast to; null where
   * there is none.
   */
  private mask(
    attnMask: Tensor | null,
    keyPaddingMask: Tensor | null,
    [length, batch, keys, added]: readonly [number, number, number, number],
    like: Tensor,
  ): Tensor | null {
    const { numHeads } = this;
    const masks: Tensor[] = [];
    if (attnMask) {
      const shapes = [[length, keys], [batch * numHeads, length, keys]]; // prettier-ignore
      masks.push(addend('attnMask', attnMask, shapes, like));
    }
    if (keyPaddingMask) {
      const padding = addend('keyPaddingMask', keyPaddingMask, [[batch, keys]], like);
      masks.push(padding.reshape([batch, 1, 1, keys]).expand([batch, numHeads, 1, keys]).reshape([-1, 1, keys]));
    }
    if (masks.length === 0) return null;
    const sum = masks.reduce((a, b) => a.add(b));
    return added > 0 ? ops.constantPadNd(sum, [0, added]) : sum;
  }

  /** @returns L and the batch's size */
  private checkShapes(inputs: readonly Tensor[], given: readonly Tensor[]): [length: number, batch: number] {
    const [query, key, value] = inputs.map(({ shape }) => shape);
    const [q, k, v] = [
      this.embedDim,
      this.kProjWeight?.shape[1] ?? this.embedDim,
      this.vProjWeight?.shape[1] ?? this.embedDim,
    ];
    const fits =
      inputs.every(({ dim }) => dim === 3) &&
      [query, key, value].every((shape, i) => shape![2] === [q, k, v][i] && shape![1] === query![1]) &&
      key![0] === value![0];
    if (fits) return [query![0]!, query![1]!];
    const order = (length: string): string => (this.batchFirst ? `batch, ${length}` : `${length}, batch`);
    const found = given.map(({ shape }) => `[${shape.join(', ')}]`).join(', ');
    throw new TypeError(
      `MultiheadAttention expects query [${order('L')}, ${q}], key [${order('S')}, ${k}] ` +
        `and value [${order('S')}, ${v}], got ${found}`,
    );
  }
}

/** A mask that is added: −∞ where a bool one is true. @throws TypeError where it is of another shape or dtype */
function addend(name: string, mask: Tensor, shapes: readonly (readonly number[])[], like: Tensor): Tensor {
  if (!shapes.some((shape) => shape.join() === mask.shape.join())) {
    const expected = shapes.map((shape) => `[${shape.join(', ')}]`).join(' or ');
    throw new TypeError(`${name} has shape [${mask.shape.join(', ')}], expected ${expected}`);
  }
  if (mask.dtype === 'bool') return like.newZeros(mask.shape).maskedFill(mask, -Infinity);
  if (mask.dtype.includes('float')) return mask.to(like.dtype);
  throw new TypeError(
    `${name} is ${mask.dtype}, expected bool (true for what is not seen) or a floating dtype (added)`,
  );
}
