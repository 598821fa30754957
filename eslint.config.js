import { fileURLToPath } from 'node:url';
import { defineConfig, includeIgnoreFile } from 'eslint/config';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * Imports of `padnet` go one way, in this order: a folder may import only from those before it (and itself).
 * Folders in one inner array are peers that do not import each other.
 */
const order = [
  ['ownCode'],
  ['dynamic'],
  ['partial'],
  ['compute'],
  ['layers'],
  ['partition', 'convert'],
  ['models'],
  ['data'],
  ['recipe'],
  ['runs'],
  ['training'],
  ['export'],
  ['analysis'],
  ['experiments'],
  ['report'],
  ['cli'],
];

/** One rule a folder: the folders that it must not know. */
const oneWayImports = order.flatMap((peers, level) =>
  peers.map((folder) => {
    const later = [...peers.filter((peer) => peer !== folder), ...order.slice(level + 1).flat()];
    const message = `imports go ${order.map((names) => names.join(', ')).join(' → ')}`;
    return {
      files: [`packages/padnet/src/${folder}/**`],
      // Tests may look further: they compare with what is built on top.
      ignores: ['**/*.test.ts', '**/*.test.*.ts'],
      rules: {
        'no-restricted-imports':
          later.length === 0
            ? 'off'
            : ['error', { patterns: [{ group: later.map((name) => `../**/${name}/**`), message }] }],
      },
    };
  }),
);

export default defineConfig(
  includeIgnoreFile(fileURLToPath(new URL('.gitignore', import.meta.url))),
  { ignores: ['eslint.config.js', '**/*.generated.ts'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.config.ts', 'packages/*/bin/*.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `using` is for what happens at the end.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreUsingDeclarations: true }],
      '@typescript-eslint/unified-signatures': 'off',
    },
  },
  {
    files: ['packages/padnet/src/**/*.ts', 'packages/runtime/src/**/*.ts', 'packages/site/src/**/*.ts'],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/extensions': ['.ts'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
      'import-x/resolver-next': [createNodeResolver({ extensionAlias: { '.js': ['.ts', '.js'] } })],
    },
    // No circle of imports, be it of types alone.
    rules: { 'import-x/no-cycle': ['error', { ignoreExternal: true }] },
  },
  {
    files: ['packages/torch/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['padnet', 'padnet/**'], message: '@padnet/torch knows nothing of padnet' }] },
      ],
    },
  },
  {
    files: ['packages/runtime/**'],
    // Tests may look further: they compare with training.
    ignores: ['**/*.test.ts', '**/*.test.*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['padnet', 'padnet/**', '@padnet/torch', '@padnet/torch/**', '**/padnet/**', '**/torch/**'],
              message: '@padnet/runtime runs where neither libtorch nor training is',
            },
          ],
        },
      ],
    },
  },
  ...oneWayImports,
);
