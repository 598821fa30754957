import { describe, expect, it } from 'vitest';
import { keep, liveTensors, scope, Tensor, tensor } from './index.js';

/** Live tensors after `body` less those before it. */
function leaked(body: () => void): number {
  const before = liveTensors();
  body();
  return liveTensors() - before;
}

describe('scope', () => {
  it('frees what was made in it', () => {
    let inside: Tensor | undefined;
    expect(
      leaked(() => {
        scope(() => {
          inside = tensor([1]).add(1);
        });
      }),
    ).toBe(0);
    expect(() => inside!.toArray()).toThrow('this tensor was freed (its scope ended, or it was disposed)');
  });

  it('frees when it throws, and passes the error on', () => {
    const error = new Error('stop');
    expect(
      leaked(() => {
        expect(() =>
          scope(() => {
            tensor([1]);
            throw error;
          }),
        ).toThrow(error);
      }),
    ).toBe(0);
  });

  it('lets returned tensors live, wherever they are in the result', () => {
    const before = liveTensors();
    const result = scope(() => {
      tensor([0]);
      return {
        one: tensor([1]),
        list: [tensor([2])],
        map: new Map([['three', tensor([3])]]),
        set: new Set([tensor([4])]),
      };
    });
    expect(liveTensors() - before).toBe(4);
    const [four] = result.set;
    const all = [result.one, result.list[0]!, result.map.get('three')!, four!];
    expect(all.map((each) => each.item())).toEqual([1, 2, 3, 4]);
    for (const each of all) each[Symbol.dispose]();
    expect(liveTensors()).toBe(before);
  });

  it('hands returned tensors to the scope around it', () => {
    expect(
      leaked(() => {
        scope(() => {
          const sum = scope(() => tensor([1]).add(tensor([2])));
          expect(sum.item()).toBe(3);
        });
      }),
    ).toBe(0);
  });

  it('leaves kept tensors alone, until disposed', () => {
    let kept: Tensor | undefined;
    const keptOnce = leaked(() => {
      scope(() => {
        kept = keep(tensor([1]));
        tensor([2]).keep()[Symbol.dispose]();
        scope(() => keep(kept!));
      });
    });
    expect(keptOnce).toBe(1);
    expect(kept!.item()).toBe(1);
    kept![Symbol.dispose]();
    kept![Symbol.dispose](); // twice is harmless
    expect(() => kept!.item()).toThrow('freed');
  });

  it('refuses async functions with an error that says what to do', async () => {
    // The promise itself is rejected too: that must not surface as an unhandled rejection.
    expect(() => scope(() => Promise.reject(new Error('lost')))).toThrow(
      'scope() was given an async function; use scopes between the awaits instead',
    );
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('survives tensors disposed inside it', () => {
    expect(
      leaked(() => {
        scope(() => {
          const x = tensor([1]);
          x[Symbol.dispose]();
        });
      }),
    ).toBe(0);
  });

  it('looks into shared and cyclic results once', () => {
    expect(
      leaked(() => {
        const cyclic = scope(() => {
          const result: { x: Tensor; self?: unknown } = { x: tensor([1]) };
          result.self = result;
          return result;
        });
        cyclic.x[Symbol.dispose]();
      }),
    ).toBe(0);
  });
});

it('a freed handle never reaches another tensor', () => {
  const old = tensor([1]);
  old[Symbol.dispose]();
  const others = Array.from({ length: 100 }, (_, i) => tensor([i]));
  expect(() => old.item()).toThrow('freed');
  for (const other of others) other[Symbol.dispose]();
});

it('is freed at the end of a block by `using`', () => {
  const x = tensor([1]);
  // Node 20 has no `using`; this is what TypeScript compiles it to.
  expect(
    leaked(
      () =>
        void [x].map((each) => {
          each[Symbol.dispose]();
        }),
    ),
  ).toBe(-1);
});
