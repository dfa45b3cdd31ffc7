/**
 * `npm run bench [-- --quick] [decision|call|framework|power|scrub|provenance|oversight|ledger|telemetry|postgres|wake]`: all comparisons of one run, as ratios. Nothing is asserted.
 */
import { availableParallelism, cpus } from 'node:os';
import { trace } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { benchDecision } from './decision.ts';
import { benchGuardedCall } from './guarded-call.ts';
import { benchInFramework } from './in-framework.ts';
import { benchLedger } from './ledger.ts';
import { benchOversight } from './oversight.ts';
import { benchPostgres } from './postgres.ts';
import { benchPowerLoss } from './power-loss.ts';
import { benchProvenance } from './provenance.ts';
import { benchScrub } from './scrub.ts';
import { benchTelemetry } from './telemetry.ts';
import { benchWake } from './wake.ts';

const sections = {
  decision: benchDecision,
  call: benchGuardedCall,
  framework: benchInFramework,
  power: benchPowerLoss,
  scrub: benchScrub,
  provenance: benchProvenance,
  oversight: benchOversight,
  ledger: benchLedger,
  telemetry: benchTelemetry,
  postgres: benchPostgres,
  wake: benchWake,
};

const quick = process.argv.includes('--quick');
const wanted = process.argv.slice(2).filter((word) => Object.hasOwn(sections, word));
// Spans are made and dropped: what is measured is making them, on both sides.
trace.setGlobalTracerProvider(
  new TracerProvider({
    spanProcessors: [{ onStart() {}, onEnd() {}, forceFlush: async () => {}, shutdown: async () => {} }],
  }),
);
process.stdout.write(
  `Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown processor'}\n`,
);
for (const [name, section] of Object.entries(sections)) {
  if (wanted.length === 0 || wanted.includes(name)) await section(quick);
}
