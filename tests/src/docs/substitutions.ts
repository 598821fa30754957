/** The replacements of text that would take too long here. Each has to be in its page, once: a test of the test. */
export interface Substitution {
  readonly page: string;
  readonly from: string;
  readonly to: string;
}

export const substitutions: readonly Substitution[] = [
  {
    page: 'README.md',
    from: 'const splits = loadFashionMnist();',
    to:
      "const whole = loadFashionMnist();\nconst { limitPictures } = await import('padnet/data');\n" +
      'const splits = { train: limitPictures(whole.train, 64), test: limitPictures(whole.test, 32) };',
  },
  { page: 'docs/results/fashion-mnist.md', from: 'for seed in 1 2 3 4; do', to: 'for seed in 1; do' },
  {
    page: 'docs/node-server.md',
    from: "server.listen(8080, '127.0.0.1');",
    to: "server.listen(0, '127.0.0.1', () => server.close());",
  },
];
