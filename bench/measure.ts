/**
 * Interleaved timing: every round runs each case once, in random order, so that drift of the machine hits all alike.
 * Compared are ratios of one round; reported are their median and a 95 % bootstrap interval.
 */
export interface Case {
  readonly name: string;
  /** Does `operations` operations; synchronous or not. */
  readonly run: (operations: number) => void | Promise<void>;
}

export interface Measured {
  readonly name: string;
  /** Nanoseconds per operation, one value a round. */
  readonly perOperation: readonly number[];
}

export interface MeasureOptions {
  readonly rounds: number;
  readonly operations: number;
  /** Operations of a warm-up run of each case. Default: as many as one round. */
  readonly warmUp?: number;
}

export async function measure(cases: readonly Case[], options: MeasureOptions): Promise<ReadonlyMap<string, Measured>> {
  const samples = new Map(cases.map(({ name }) => [name, [] as number[]]));
  for (const { run } of cases) await run(options.warmUp ?? options.operations);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const { name, run } of shuffled(cases)) {
      const start = process.hrtime.bigint();
      await run(options.operations);
      samples.get(name)?.push(Number(process.hrtime.bigint() - start) / options.operations);
    }
  }
  return new Map([...samples].map(([name, perOperation]) => [name, { name, perOperation }]));
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .toSorted((left, right) => left.order - right.order)
    .map(({ item }) => item);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

const resamples = 2000;

/** Median of `values` with a 95 % bootstrap interval. */
export function estimate(values: readonly number[]): Estimate {
  const medians = Array.from({ length: resamples }, () =>
    median(Array.from({ length: values.length }, () => values[Math.floor(Math.random() * values.length)] ?? 0)),
  ).toSorted((left, right) => left - right);
  return {
    median: median(values),
    low: medians[Math.floor(resamples * 0.025)] ?? 0,
    high: medians[Math.floor(resamples * 0.975)] ?? 0,
  };
}

/** `case / base`, paired by round. */
export function ratio(measured: ReadonlyMap<string, Measured>, name: string, base: string): Estimate {
  const { perOperation: above } = one(measured, name);
  const { perOperation: below } = one(measured, base);
  return estimate(above.map((value, index) => value / (below[index] ?? Number.NaN)));
}

/** `case − base` in nanoseconds, paired by round. */
export function difference(measured: ReadonlyMap<string, Measured>, name: string, base: string): Estimate {
  const { perOperation: left } = one(measured, name);
  const { perOperation: right } = one(measured, base);
  return estimate(left.map((value, index) => value - (right[index] ?? Number.NaN)));
}

export function one(measured: ReadonlyMap<string, Measured>, name: string): Measured {
  const found = measured.get(name);
  if (found === undefined) throw new Error(`no case ${name}`);
  return found;
}

export function nanoseconds(value: number): string {
  if (Math.abs(value) < 1_000) return `${value.toFixed(0)} ns`;
  if (Math.abs(value) < 1_000_000) return `${(value / 1_000).toFixed(2)} µs`;
  return `${(value / 1_000_000).toFixed(2)} ms`;
}

export function interval({ median: middle, low, high }: Estimate, digits = 2): string {
  return `${middle.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

/** One line of the report: what, measured, and the goal it is held against. */
export interface Line {
  readonly what: string;
  readonly measured: string;
  readonly goal?: string;
  readonly met?: boolean;
}

export function printSection(title: string, lines: readonly Line[]): void {
  const width = Math.max(...lines.map(({ what }) => what.length));
  const middle = Math.max(...lines.map(({ measured }) => measured.length));
  process.stdout.write(`\n${title}\n`);
  for (const { what, measured, goal, met } of lines) {
    const verdict = goal === undefined ? '' : `  goal ${goal}${met === undefined ? '' : met ? '  met' : '  NOT MET'}`;
    process.stdout.write(`  ${what.padEnd(width)}  ${measured.padEnd(middle)}${verdict}\n`);
  }
}
