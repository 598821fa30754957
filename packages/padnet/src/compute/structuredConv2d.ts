/**
 * A partial convolution whose filters are static or dynamic as a whole: the static ones of the whole batch in one
 * convolution, the dynamic ones alone with a kernel for each sample (method.md §4), put together as the mask says.
 */
import { ops, type nn, type Tensor } from '@padnet/torch';
import { joinColumns, type Columns } from './columns.js';

export interface StructuredConv2dInputs {
  /** [batch, inChannels, height, width] */
  readonly input: Tensor;
  /** Θ [K, d] of the dynamic filters. */
  readonly bank: Tensor;
  /** λ_s · Θ_s [n − d] of the static ones. */
  readonly staticWeight: Tensor;
  readonly filters: Columns;
  /** The geometry of the whole convolution; its groups are 1. */
  readonly geometry: nn.Conv2dGeometry;
  /** The dynamic filters' output for their bank [K, filters, inChannels, kernelHeight, kernelWidth] and geometry. */
  readonly dynamic: (bank: Tensor, geometry: nn.Conv2dGeometry) => Tensor;
}

/** @returns [batch, outChannels, height', width'] */
export function structuredConv2d(inputs: StructuredConv2dInputs): Tensor {
  const { input, bank, staticWeight, filters, geometry, dynamic } = inputs;
  const { inChannels, kernelSize, stride, padding, dilation } = geometry;
  const filterShape = [inChannels, ...kernelSize];
  const dynamicBank = bank.reshape([bank.shape[0]!, -1, ...filterShape]);
  const fromDynamic = dynamic(dynamicBank, { ...geometry, outChannels: filters.dynamic.numel });
  const fromStatic = ops.conv2d(input, staticWeight.reshape([-1, ...filterShape]), { stride, padding, dilation });
  // For a single filter both memory formats are the same.
  if (fromDynamic.isContiguous && fromStatic.isContiguous) return joinColumns(fromDynamic, fromStatic, filters);
  // Channels last: positions are the rows of a matrix.
  const [batch = 0, , height = 0, width = 0] = fromDynamic.shape;
  const rows = (output: Tensor): Tensor => output.permute([0, 2, 3, 1]).reshape([-1, output.shape[1]!]);
  const joined = joinColumns(rows(fromDynamic), rows(fromStatic), filters);
  return joined.reshape([batch, height, width, -1]).permute([0, 3, 1, 2]);
}
