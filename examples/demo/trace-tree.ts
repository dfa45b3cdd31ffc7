/**
 * Spans as a tree, one for each trace.
 */
import type { WrittenSpan } from './tracing.ts';

/** What a line says beside the name of its span. */
const shown = [
  'countersign.decision',
  'countersign.risk',
  'countersign.approval.state',
  'countersign.lease.service',
  'countersign.outcome',
];

export function traceTree(spans: readonly WrittenSpan[]): readonly string[] {
  const ordered = spans.toSorted((left, right) => left.start - right.start);
  const known = new Set(ordered.map(({ span }) => span));
  const children = Map.groupBy(ordered, ({ parent }) => (parent !== undefined && known.has(parent) ? parent : ''));
  const lines = (span: WrittenSpan, lead: string, branch: string, rest: string): readonly string[] => {
    const below = children.get(span.span) ?? [];
    return [
      `${`${lead}${branch}${span.name}`.padEnd(62)} ${span.duration.toFixed(0).padStart(5)} ms${details(span)}`,
      ...below.flatMap((child, index) => {
        const last = index === below.length - 1;
        return lines(child, `${lead}${rest}`, last ? '└─ ' : '├─ ', last ? '   ' : '│  ');
      }),
    ];
  };
  return (children.get('') ?? []).flatMap((root) => lines(root, '', '', ''));
}

function details({ attributes, error }: WrittenSpan): string {
  const values = shown.flatMap((name) => (typeof attributes[name] === 'string' ? [attributes[name]] : []));
  return [...(values.length === 0 ? [] : [`  ${values.join(', ')}`]), ...(error ? ['  (error)'] : [])].join('');
}
