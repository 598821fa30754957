/** A network layer by layer, and its plans, as aligned text. */
import type { Inspection, InspectRow, PlanInspection, PlanRow } from '../analysis/index.js';
import { convolutionPlans } from '../compute/index.js';
import { formatCount, formatPercent, formatSeconds, unknown } from './format.js';
import { routerSentences, routerStateText } from './routerText.js';
import { textTable, type TableColumn } from './table.js';

type ShownRow = Omit<InspectRow, 'inputShape' | 'outputShape'> & { readonly shapes: string };

/** The rows as aligned text; layers of a kind that multiply nothing (normalisation, embeddings) share one line. */
export function inspectText(inspection: Inspection): string {
  const { rows, maskBits, sample } = inspection;
  const shapeText = (shape: readonly number[] | null): string => shape?.join('×') ?? unknown;
  const blank = { kind: '', shapes: '', kernel: null, experts: null, filters: null, dynamicRatio: null, router: null };
  const others = rows.filter(({ macs }) => macs === 0);
  const shown: ShownRow[] = [
    ...rows
      .filter(({ macs }) => macs > 0)
      .map((row) => ({ ...row, shapes: `${shapeText(row.inputShape)} → ${shapeText(row.outputShape)}` })),
    ...Array.from(new Set(others.map(({ kind }) => kind)), (kind) => {
      const group = others.filter((row) => row.kind === kind);
      const parameters = group.reduce((total, row) => total + row.parameters, 0);
      return { ...blank, path: `(${group.length} more)`, kind, parameters, macs: 0 };
    }),
    { ...blank, ...inspection, path: 'total' },
  ];
  // Convolutions have kernels, mixtures of experts have experts, partial layers dynamic filters, other networks none.
  const details = (['kernel', 'experts', 'filters'] as const).filter((key) => rows.some((row) => row[key] !== null));
  const routers = rows.flatMap(({ path, router }) => (router ? [{ path, ...router }] : []));
  const routerCell = ({ router }: ShownRow): string => (router ? routerStateText(router) : '');
  const columns: TableColumn<ShownRow>[] = [
    { heading: 'layer', isName: true, cell: ({ path }) => path },
    { heading: 'kind', isName: true, cell: ({ kind }) => kind },
    { heading: 'input → output', isName: true, cell: ({ shapes }) => shapes },
    ...details.map((key): TableColumn<ShownRow> => ({
      heading: key === 'filters' ? 'dynamic filters' : key,
      isName: true,
      cell: (row) => row[key] ?? '',
    })),
    { heading: 'κ', cell: ({ dynamicRatio }) => (dynamicRatio === null ? '' : formatPercent(dynamicRatio)) },
    ...(routers.length === 0 ? [] : [{ heading: 'router', cell: routerCell }]),
    { heading: 'stored', cell: ({ parameters }) => formatCount(parameters) },
    { heading: 'MACs', cell: ({ macs }) => formatCount(macs) },
  ];
  return [
    textTable({ columns, rows: shown }),
    ...(maskBits === 0 ? [] : [`and ${formatCount(maskBits)} bits of masks`]),
    `shapes and MACs are of ${sample}`,
    ...(routers.length === 0
      ? []
      : [`router: how far its decisions differ between test data. ${routerSentences(routers).join(' ')}`]),
  ].join('\n');
}

/** The rows as aligned text, with a column for each plan that any layer could take. */
export function planText({ rows, batch, direction, sample, rates }: PlanInspection): string {
  if (rows.length === 0) return 'no layer can be computed in more than one way: there is nothing to plan';
  const plans = convolutionPlans.filter((plan) => rows.some(({ seconds }) => seconds?.[plan] !== undefined));
  const columns: TableColumn<PlanRow>[] = [
    { heading: 'layer', isName: true, cell: ({ path }) => path },
    { heading: 'input', isName: true, cell: ({ inputShape }) => inputShape.join('×') },
    { heading: 'kernel', isName: true, cell: ({ kernel }) => kernel ?? '' },
    { heading: 'plan', isName: true, cell: ({ plan, isOverridden }) => (isOverridden ? `${plan} (set)` : plan) },
    { heading: 'K', cell: ({ numKernels }) => String(numKernels) },
    { heading: 'κ', cell: ({ dynamicRatio }) => formatPercent(dynamicRatio) },
    { heading: 'static filters', cell: ({ staticFilters }) => staticFilters?.join(' of ') },
    ...plans.map((plan): TableColumn<PlanRow> => ({
      heading: plan,
      cell: ({ seconds }) => formatSeconds(seconds?.[plan] ?? null),
    })),
  ];
  const { file, instructions, problem } = rates;
  return [
    textTable({ columns, rows }),
    `${direction}, batch ${batch} of ${sample}; times as the cost model predicts them, routers apart`,
    file === null
      ? `rates are the defaults for ${instructions}; \`padnet calibrate\` measures this machine's`
      : `rates were measured on this machine: ${file}`,
    ...(problem === null ? [] : [problem]),
  ].join('\n');
}
