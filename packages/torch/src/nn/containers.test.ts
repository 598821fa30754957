import { expect, it } from 'vitest';
import { nn, tensor } from '../index.js';

it('Sequential applies its layers in order', () => {
  const net = new nn.Sequential(new nn.ReLU(), new nn.Flatten(), new nn.Identity());
  expect(net.forward(tensor([[[-1, 2]]])).toArray()).toEqual([0, 2]);
  expect(Array.from(net.children(), ([name]) => name)).toEqual(['0', '1', '2']);
});

it('ModuleList names its modules by position and replaces them', () => {
  const list = new nn.ModuleList([new nn.Linear({ inFeatures: 1, outFeatures: 1 }), new nn.ReLU()]);
  expect([...list.stateDict().keys()]).toEqual(['0.weight', '0.bias']);
  const tanh = new nn.Tanh();
  list.setChild('1', tanh);
  expect(list.items[1]).toBe(tanh);
  expect(() => {
    list.setChild('2', tanh);
  }).toThrow("no module '2' in a list of 2");
});
