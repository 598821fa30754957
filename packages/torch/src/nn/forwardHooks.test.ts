import { describe, expect, it } from 'vitest';
import { nn, ops, tensor, type Tensor } from '../index.js';

function network(): nn.Sequential {
  return new nn.Sequential(
    new nn.Linear({ inFeatures: 2, outFeatures: 2 }),
    new nn.Sequential(new nn.ReLU(), new nn.Flatten()),
  );
}

const input = tensor([[1, 2]]).keep();

describe('watchForward', () => {
  it('sees each module by its path, innermost first, with what went in and came out', () => {
    const net = network();
    const calls: [string, string, Tensor, Tensor][] = [];
    const result = nn.watchForward(
      net,
      (path, module, x, y) => calls.push([path, module.constructor.name, x, y]),
      () => net.forward(input),
    );
    expect(calls.map(([path, name]) => [path, name])).toEqual([
      ['0', 'Linear'],
      ['1.0', 'ReLU'],
      ['1.1', 'Flatten'],
      ['1', 'Sequential'],
      ['', 'Sequential'],
    ]);
    expect(calls[0]![2]).toBe(input);
    expect(calls[1]![2]).toBe(calls[0]![3]);
    expect(calls[4]![3]).toBe(result);
  });

  it('leaves no trace, also when the body throws', () => {
    const net = network();
    const relu = net.getModule('1.0') as nn.Layer;
    expect(() =>
      nn.watchForward(
        net,
        () => {
          throw new Error('seen enough');
        },
        () => net.forward(input),
      ),
    ).toThrow('seen enough');
    for (const [, module] of net.namedModules()) expect(Object.hasOwn(module, 'forward')).toBe(false);
    expect(relu.forward(tensor([-1, 1])).toArray()).toEqual([0, 1]);
  });

  it('nests: both observers see the inner calls, only the outer one the rest', () => {
    const net = network();
    const outer: string[] = [];
    const inner: string[] = [];
    nn.watchForward(
      net,
      (path) => outer.push(path),
      () => {
        nn.watchForward(
          net.getModule('1'),
          (path) => inner.push(path),
          () => net.forward(input),
        );
        net.forward(input);
      },
    );
    expect(inner).toEqual(['0', '1', '']);
    expect(outer).toEqual(['0', '1.0', '1.1', '1', '', '0', '1.0', '1.1', '1', '']);
  });

  it('watching may begin while a watched forward runs', () => {
    const relu = new nn.ReLU();
    const seen: string[] = [];
    class Outer extends nn.Module {
      readonly act = relu;
      forward(x: Tensor): Tensor {
        return nn.watchForward(
          this,
          (path) => seen.push(`inner ${path}`),
          () => this.act.forward(x),
        );
      }
    }
    const outer = new Outer();
    nn.watchForward(
      outer,
      (path) => seen.push(`outer ${path}`),
      () => outer.forward(input),
    );
    expect(seen).toEqual(['outer act', 'inner act', 'outer ']);
    expect(Object.hasOwn(outer, 'forward')).toBe(false);
    expect(Object.hasOwn(relu, 'forward')).toBe(false);
  });

  it('puts a forward of the module’s own back', () => {
    const relu = new nn.ReLU();
    const own = { value: (x: Tensor): Tensor => x.neg(), configurable: true, enumerable: true, writable: true };
    Object.defineProperty(relu, 'forward', own);
    let seen: number[] = [];
    nn.watchForward(
      relu,
      (_path, _module, _x, y) => {
        seen = y.toArray();
      },
      () => relu.forward(input),
    );
    expect(seen).toEqual([-1, -2]);
    expect(Object.getOwnPropertyDescriptor(relu, 'forward')).toEqual(own);
  });

  it('reports a module with two paths once, by the first', () => {
    const shared = new nn.ReLU();
    const net = new nn.Sequential(shared, shared);
    const seen: string[] = [];
    nn.watchForward(
      net,
      (path) => seen.push(path),
      () => net.forward(input),
    );
    expect(seen).toEqual(['0', '0', '']);
  });

  it('names the layer where a NaN appears first', () => {
    class Bad extends nn.Module {
      forward(x: Tensor): Tensor {
        return x.div(0).sub(x.div(0));
      }
    }
    const net = new nn.Sequential(new nn.ReLU(), new nn.Sequential(new Bad()), new nn.ReLU());
    let first: string | undefined;
    nn.watchForward(
      net,
      (path, _module, _x, y) => {
        if (!ops.isfinite(y).all().item()) first ??= path;
      },
      () => net.forward(input),
    );
    expect(first).toBe('1.0');
  });

  it('refuses async bodies', () => {
    const net = network();
    // prettier-ignore
    expect(() => nn.watchForward(net, () => undefined, () => Promise.resolve())).toThrow('async function');
    expect(Object.hasOwn(net, 'forward')).toBe(false);
  });
});

describe('computeAs', () => {
  it('lets those who watch a module see what is computed in its place', () => {
    const relu = new nn.ReLU();
    const seen: unknown[] = [];
    const compute = (): Tensor => nn.computeAs(relu, [input], () => input);
    expect(compute()).toBe(input);
    const outer = nn.observeForward(relu, (inputs, output) => seen.push('outer', inputs[0], output));
    const inner = nn.observeForward(relu, () => seen.push('inner'));
    expect(compute()).toBe(input);
    expect(seen).toEqual(['outer', input, input, 'inner']);
    expect(relu.forward(tensor([-1, 1])).toArray()).toEqual([0, 1]);
    inner();
    outer();
    expect(() =>
      nn.computeAs(relu, [input], () => {
        throw new Error('not computed');
      }),
    ).toThrow('not computed');
  });
});
