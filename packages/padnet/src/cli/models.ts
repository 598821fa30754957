/** `padnet models`: every network for pictures, with what it stores and executes in static, dynamic and partial form. */
import type { Command } from 'commander';
import { formatCount } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import {
  countForms,
  type FormCounts,
  type LayerKind,
  layerKinds,
  registeredNetworks,
  registryForms,
} from '../models/index.js';
import { withExamples } from './options.js';
import type { Terminal } from './terminal.js';

/** The forms in the words of reports. */
const formNames: Readonly<Record<LayerKind, string>> = { static: 'static', dynamic: 'DY-Conv', partial: 'PAD-Net' };

interface ModelsOptions {
  readonly json?: boolean;
}

export function register(command: Command, terminal: Terminal): void {
  command.option('--json', 'print the list as JSON').action((options: ModelsOptions) => {
    listModels(options, terminal);
  });
  withExamples(command, 'models', 'models --json');
}

function listModels({ json }: ModelsOptions, terminal: Terminal): void {
  const networks = registeredNetworks.map((network) => ({ ...network, forms: countForms(network) }));
  if (json) {
    terminal.printJson({ inChannels: 3, numClasses: 1000, size: [224, 224], ...registryForms, networks });
    return;
  }
  const cells = ({ parameters, macs }: FormCounts): string[] => [formatCount(parameters), formatCount(macs)];
  const rows = networks.map(({ name, width, forms }) => [
    name,
    String(width),
    ...layerKinds.flatMap((layer) => cells(forms[layer])),
    formatCount(forms.partial.maskBits),
  ]);
  const heading = ['model.name', 'width', ...layerKinds.flatMap((layer) => [formNames[layer], 'MACs']), 'mask bits'];
  const { numKernels, ratio } = registryForms;
  terminal.print(
    [
      alignGrid({ heading, rows, leftColumns: 1 }),
      '',
      `stored numbers, and multiply-accumulates of one picture of 3×224×224; 1000 classes, K = ${numKernels}, κ = ${ratio}`,
    ].join('\n'),
  );
}
