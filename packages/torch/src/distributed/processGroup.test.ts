import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { rankAnswers, runRanks, type RankResult } from '../testing/ranks.js';
import { freePort } from './freePort.js';

const program = new URL('./processGroup.test.child.js', import.meta.url);

interface Result {
  readonly collectives: Record<string, unknown>;
  readonly gradient: number[];
  readonly buckets: { readonly runs: (number | null)[][][]; readonly last: boolean };
  readonly refusals: (string | null)[];
}

describe.each([2, 3])('%i ranks', (size) => {
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

  let results: Result[];
  beforeAll(async () => {
    results = await rankAnswers(program, size);
  });

  it('compute together', () => {
    for (const [rank, { collectives }] of results.entries()) {
      const share = total(ranks.map((each) => each + 1));
      expect(collectives).toEqual({
        sum: [share, 2.5 * share],
        first: [size - 1, size + 9],
        all: ranks.flatMap((each) => [each, each === 0 ? 0 : -each]),
        exchanged: ranks.flatMap((from) => Array.from({ length: from + rank }, () => [from, rank]).flat()),
        numbers: [total(ranks), expect.closeTo(0.1 * size, 12)],
        max: [size - 1, 0],
        gathered: ranks.map((each) => each * each),
        json: { text: 'é', list: [1, null] },
        empty: 0,
      });
    }
  });

  it('take gradients through a sum over them', () => {
    const sum = total(ranks.map((rank) => rank + 1));
    for (const { gradient } of results) expect(gradient).toEqual([2 * sum * size]);
  });

  it('sum gradients in buckets of any size, also of parameters that a rank has not used', () => {
    for (const {
      buckets: { runs, last },
    } of results) {
      expect(runs).toEqual(results[0]!.buckets.runs); // the same bits on every rank
      expect(last).toBe(true);
      const [first] = runs;
      expect(first![0]!.slice(0, 6).every((value) => value !== null && value > 0)).toBe(true);
      expect(first![0]!.slice(6)).toEqual([null, null]);
      for (const run of runs)
        for (const [pass, grads] of run.entries())
          for (const [index, value] of grads.entries()) {
            const one = first![0]![index] ?? 0;
            expect(Math.abs((value ?? 0) - one * (pass + 1) ** 2)).toBeLessThan(
              1e-4 * Math.abs(one) * (pass + 1) ** 2 + 1e-9,
            );
          }
    }
  });

  it('say what is wrong with a call, and go on', () => {
    for (const { refusals } of results)
      expect(refusals).toMatchInlineSnapshot(`
      [
        "collective operations take tensors with elements",
        "collective operations take contiguous tensors",
        "the reduction must be sum, max or min, got mean",
        "there is no rank of this number",
        "there is no rank of this number",
        "the output must be of the input's dtype and [ranks, ...its shape]",
        "all-to-all: the numbers of rows must be one for each rank and add up to the tensors'",
        "all-to-all: the numbers of rows must be one for each rank and add up to the tensors'",
        "buckets take parameters: leaves of floating-point numbers that require gradients",
        "a bucket must have at least a byte",
      ]
    `);
  });
});

it('a slow rank is waited for, however long', async () => {
  const results = await runRanks(program, 2, { env: { LIFE_TIMEOUT: '0.5', SLOW_SECONDS: '2' } });
  for (const { code, stderr } of results) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

describe('ranks that do not fit together', () => {
  const failures = (results: readonly RankResult[]): string[] =>
    results.map(({ code, stderr }) => {
      expect(code).toBe(1);
      return /Error: (.*)/.exec(stderr)![1]!;
    });

  it('are refused where they were started as of another number', async () => {
    const results = await runRanks(program, 3, {
      envOf: (rank) => (rank === 1 ? { WORLD_SIZE: '2', LOCAL_WORLD_SIZE: '2' } : {}),
    });
    const reason = 'rank 1 was started as one of 2, rank 0 as one of 3: set the same WORLD_SIZE for all';
    for (const failure of failures(results)) expect(failure).toBe(reason);
  });

  it('are refused where one is started twice', async () => {
    const results = await runRanks(program, 3, { envOf: (rank) => (rank === 2 ? { RANK: '1' } : {}) });
    expect(failures(results)).toContain('there is another process of rank 1: each rank is started once');
  });
});

it('a store goes on whatever strangers send to it', async () => {
  const port = await freePort();
  const length = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const text = (value: string): Buffer => Buffer.concat([length(value.length), Buffer.from(value)]);
  const message = (...parts: readonly Buffer[]): Buffer => {
    const body = Buffer.concat(parts);
    return Buffer.concat([length(body.length), body]);
  };
  const strange = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    length(0),
    length(0xffffffff),
    Buffer.concat([length(10), Buffer.from('s')]),
    message(Buffer.from('s'), length(0xfffffff0), Buffer.from('x')),
    message(Buffer.from('s'), text('key')),
    message(Buffer.from('l'), text('-1')),
    message(Buffer.from('l'), text('99')),
    message(Buffer.from('b'), text('one')),
    message(Buffer.from('b'), text('0')),
    message(Buffer.from('b')),
    message(Buffer.from('l'), text('one')),
    message(Buffer.from('l'), text('1x')),
    message(Buffer.from('a'), text('elsewhere'), text('nonsense')),
    message(Buffer.from('?')),
  ];
  const big = message(Buffer.from('s'), text('big'), text('x'.repeat(1 << 20)));
  // Asks for much more than connections hold on the way, and reads nothing of it.
  const greedy = Buffer.concat([big, ...Array.from({ length: 64 }, () => message(Buffer.from('g'), text('big')))]);
  const send = (bytes: Buffer, milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(bytes);
        setTimeout(() => {
          socket.destroy();
          resolve();
        }, milliseconds);
      });
      socket.on('error', () => {
        resolve(); // it is not there yet, or any more
      });
    });
  const state = { isOver: false };
  // Rank 1 computes for a while, in which the others tell of their lives.
  const running = runRanks(program, 2, { port, env: { SLOW_SECONDS: '2' } }).finally(() => (state.isOver = true));
  while (!state.isOver) {
    for (const bytes of strange) await send(bytes, 30);
    await send(greedy, 300);
  }
  for (const { code, stderr } of await running) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});
