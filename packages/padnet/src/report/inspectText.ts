/** A network layer by layer, and its plans, as aligned text. */
import type { Inspection, InspectRow, PlanInspection } from '../analysis/index.js';
import { convolutionPlans } from '../compute/index.js';
import { formatCount, formatPercent, formatSeconds, unknown } from './format.js';
import { alignGrid } from './grid.js';

/** The rows as aligned text; layers of a kind that multiply nothing (normalisation, embeddings) share one line. */
export function inspectText({ rows, parameters, maskBits, macs, sample, dynamicRatio }: Inspection): string {
  const shapeText = (shape: readonly number[] | null): string => shape?.join('×') ?? unknown;
  const [multiplying, others] = [rows.filter((row) => row.macs > 0), rows.filter((row) => row.macs === 0)];
  // Convolutions have kernels, mixtures of experts have experts, partial layers dynamic filters, other networks none of them.
  const details = (['kernel', 'experts', 'filters'] as const).filter((key) => rows.some((row) => row[key] !== null));
  const lines = multiplying.map((row) => [
    row.path,
    row.kind,
    `${shapeText(row.inputShape)} → ${shapeText(row.outputShape)}`,
    ...details.map((key) => row[key] ?? ''),
    row.dynamicRatio === null ? '' : formatPercent(row.dynamicRatio),
    formatCount(row.parameters),
    formatCount(row.macs),
  ]);
  const noDetails = details.map(() => '');
  const kinds = new Map<string, InspectRow[]>();
  for (const row of others) kinds.set(row.kind, [...(kinds.get(row.kind) ?? []), row]);
  for (const [kind, group] of kinds) {
    const sum = group.reduce((total, row) => total + row.parameters, 0);
    lines.push([`(${group.length} more)`, kind, '', ...noDetails, '', formatCount(sum), '0']);
  }
  const total = dynamicRatio === null ? '' : formatPercent(dynamicRatio);
  lines.push(['total', '', '', ...noDetails, total, formatCount(parameters), formatCount(macs)]);
  const heading = [
    'layer',
    'kind',
    'input → output',
    ...details.map((key) => (key === 'filters' ? 'dynamic filters' : key)),
    'κ',
    'stored',
    'MACs',
  ];
  const table = alignGrid({ heading, rows: lines, leftColumns: 3 + details.length });
  const notes = [
    ...(maskBits === 0 ? [] : [`and ${formatCount(maskBits)} bits of masks`]),
    `shapes and MACs are of ${sample}`,
  ];
  return [table, ...notes].join('\n');
}

/** The rows as aligned text, with a column for each plan that any layer could take. */
export function planText({ rows, batch, direction, sample, rates }: PlanInspection): string {
  if (rows.length === 0) return 'no layer can be computed in more than one way: there is nothing to plan';
  const plans = convolutionPlans.filter((plan) => rows.some(({ seconds }) => seconds?.[plan] !== undefined));
  const lines = rows.map((row) => [
    row.path,
    row.inputShape.join('×'),
    row.kernel ?? '',
    row.isOverridden ? `${row.plan} (set)` : row.plan,
    String(row.numKernels),
    formatPercent(row.dynamicRatio),
    row.staticFilters === null ? '' : row.staticFilters.join(' of '),
    ...plans.map((plan) => formatSeconds(row.seconds?.[plan] ?? null)),
  ]);
  const heading = ['layer', 'input', 'kernel', 'plan', 'K', 'κ', 'static filters', ...plans];
  const { file, instructions, problem } = rates;
  const notes = [
    `${direction}, batch ${batch} of ${sample}; times as the cost model predicts them, routers apart`,
    file === null
      ? `rates are the defaults for ${instructions}; \`padnet calibrate\` measures this machine's`
      : `rates were measured on this machine: ${file}`,
    ...(problem === null ? [] : [problem]),
  ];
  return [alignGrid({ heading, rows: lines, leftColumns: 4 }), ...notes].join('\n');
}
