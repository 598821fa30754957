import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * Imports of `padnet` go one way, in this order: a folder may import only from those before it (and itself).
 * Folders in one inner array are peers that do not import each other.
 */
const order = [
  ['dynamic'],
  ['partial'],
  ['layers'],
  ['partition', 'convert'],
  ['models'],
  ['data'],
  ['training'],
  ['report', 'bench'],
  ['cli'],
];

const src = './packages/padnet/src';
const zones = order
  .flatMap((peers, level) =>
    peers.map((folder) => ({
      target: `${src}/${folder}`,
      from: [...peers.filter((peer) => peer !== folder), ...order.slice(level + 1).flat()].map((f) => `${src}/${f}`),
      message: `${folder}/ must not know this folder: imports go dynamic → partial → layers → partition, convert → models → data → training → report, bench → cli`,
    })),
  )
  .filter((zone) => zone.from.length > 0);

export default tseslint.config(
  { ignores: ['**/dist/', '**/build/', '**/node_modules/', '**/*.generated.ts', 'runs/'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.config.ts', '*.config.js', 'packages/*/bin/*.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { 'import-x': importX },
    rules: {
      'import-x/no-restricted-paths': [
        'error',
        { zones: [{ target: './packages/torch', from: './packages/padnet' }, ...zones] },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unified-signatures': 'off',
    },
  },
);
