import { expect, it } from 'vitest';
import { modelSchema } from './createModel.js';
import { currentLayerKind, formerNameRemark, layerKinds } from './layerKind.js';
import { textModelSchema } from './textModel.js';

const former = [
  ['dyconv', 'dynamic'],
  ['moe', 'dynamic'],
  ['pad', 'partial'],
] as const;

it.each([...former, ...layerKinds.map((kind) => [kind, kind] as const)])('reads %s as %s', (name, kind) => {
  expect(currentLayerKind(name)).toBe(kind);
  expect(modelSchema.parse({ name: 'resnet10', layer: name }).layer).toBe(kind);
  expect(textModelSchema.parse({ pretrained: 'x', layer: name }).layer).toBe(kind);
});

it('remarks on former names alone', () => {
  expect(former.map(([name]) => formerNameRemark(name))).toEqual([
    'dyconv is called dynamic now',
    'moe is called dynamic now',
    'pad is called partial now',
  ]);
  for (const value of [...layerKinds, 'PAD', undefined, 3]) expect(formerNameRemark(value)).toBeNull();
});

it('leaves other values for the schema to refuse', () => {
  expect(currentLayerKind('odconv')).toBe('odconv');
  expect(() => modelSchema.parse({ name: 'resnet10', layer: 'odconv' })).toThrow();
  expect(modelSchema.parse({ name: 'resnet10' }).layer).toBe('static');
});
