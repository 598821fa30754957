/**
 * `padnet models`: every network for pictures, with what it stores and executes in static, dynamic and partial form.
 */
import { formatCount } from '../report/format.js';
import { listing, type TableColumn } from '../report/table.js';
import { countForms, type LayerKind, layerKinds, registeredNetworks, registryForms } from '../models/index.js';
import { type Command, jsonOption, type OptionsOf, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

/** The forms in the words of reports. */
const formNames: Readonly<Record<LayerKind, string>> = { static: 'static', dynamic: 'DY-Conv', partial: 'PAD-Net' };

const define = (command: Command) =>
  withExamples(command, 'models', 'models --json').addOption(jsonOption('print the list as JSON'));

export function register(command: Command, terminal: Terminal): void {
  define(command).action((options) => {
    listModels(options, terminal);
  });
}

function listModels({ json }: OptionsOf<typeof define>, terminal: Terminal): void {
  const networks = registeredNetworks.map((network) => ({ ...network, forms: countForms(network) }));
  const { numKernels, ratio } = registryForms;
  terminal.result(json, { inChannels: 3, numClasses: 1000, size: [224, 224], ...registryForms, networks }, () => [
    listing(networks, [
      { heading: 'model.name', isName: true, cell: ({ name }) => name },
      { heading: 'width', cell: ({ width }) => String(width) },
      ...layerKinds.flatMap((layer): TableColumn<(typeof networks)[number]>[] => [
        { heading: formNames[layer], cell: ({ forms }) => formatCount(forms[layer].parameters) },
        { heading: 'MACs', cell: ({ forms }) => formatCount(forms[layer].macs) },
      ]),
      { heading: 'mask bits', cell: ({ forms }) => formatCount(forms.partial.maskBits) },
    ]),
    '',
    `stored numbers, and multiply-accumulates of one picture of 3×224×224; 1000 classes, K = ${numKernels}, κ = ` +
      `${ratio}`,
  ]);
}
