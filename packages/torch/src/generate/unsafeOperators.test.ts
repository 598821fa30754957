import { expect, it } from 'vitest';
import { native } from '../native.js';
import { unsafeReason } from './unsafeOperators.js';

it('says why an operator is left out', () => {
  expect(unsafeReason('aten::conv2d')).toBeNull();
  expect(unsafeReason('aten::set_')).toContain('memory');
  expect(unsafeReason('aten::max_pool2d_with_indices_backward')).toContain('gradient of another operator');
  expect(unsafeReason('aten::convolution_backward')).toBeNull();
  expect(unsafeReason('aten::_slow_conv2d_forward')).not.toBeNull();
  expect(unsafeReason('aten::_foreach_add_')).toBeNull();
  expect(unsafeReason('quantized::add')).toContain('quantized');
  expect(unsafeReason('aten::quantize_per_tensor')).toContain('quantized');
  expect(unsafeReason('aten::quantile')).toBeNull();
});

it('leaves out only operators of libtorch’s own namespaces: others come from a library of the user', () => {
  const names = native.schemas().map((schema) => schema.slice(0, schema.search(/[.(]/)));
  expect(names.length).toBeGreaterThan(2500);
  expect(unsafeReason('padnet::mix_backward')).toBeNull();
  expect(unsafeReason('padnet::quantize')).toBeNull();
});
