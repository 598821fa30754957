import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RankMessages } from './rankMessages.js';
import { Terminal } from './terminal.js';

class KeptTerminal extends Terminal {
  readonly lines: string[] = [];

  override remark(text: string): void {
    this.lines.push(text);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function started(): { readonly messages: RankMessages; readonly lines: string[] } {
  const terminal = new KeptTerminal([]);
  return { messages: new RankMessages(terminal), lines: terminal.lines };
}

it('says what rank 0 says as it comes, also twice', () => {
  const { messages, lines } = started();
  for (const line of ['a', '', 'a']) messages.add(0, line);
  expect(lines).toEqual(['a', '', 'a']);
});

it('says what another rank says with its number, where rank 0 does not say the same, before or after', () => {
  const { messages, lines } = started();
  messages.add(1, 'later');
  messages.add(0, 'before');
  messages.add(1, 'before');
  messages.add(1, 'own');
  messages.add(1, '');
  vi.advanceTimersByTime(2000);
  messages.add(0, 'later');
  expect(lines).toEqual(['before', 'later']);
  vi.advanceTimersByTime(2000);
  expect(lines).toEqual(['before', 'later', 'rank 1: own']);
});

it('says what several ranks say once', () => {
  const { messages, lines } = started();
  for (const rank of [2, 1, 3]) messages.add(rank, rank === 1 ? 'padnet: rank 0 is lost' : 'rank 0 is lost');
  messages.flush();
  expect(lines).toEqual(['rank 2: rank 0 is lost']);
  vi.advanceTimersByTime(5000);
  expect(lines).toHaveLength(1);
});

it('keeps no more than it needs of a rank that says much', () => {
  const { messages, lines } = started();
  for (let index = 0; index < 25_000; index++) messages.add(0, String(index));
  messages.add(1, '24999');
  messages.add(1, '0'); // said too long ago
  messages.flush();
  expect(lines.slice(25_000)).toEqual(['rank 1: 0']);
});
