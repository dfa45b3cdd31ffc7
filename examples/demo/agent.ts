/**
 * The agent process: begins a run, or goes on with a suspended one, and ends. Nothing stays in memory in between.
 */
import { readFileSync } from 'node:fs';
import { readKeyFile } from '@countersign/core';
import { createDemoCountersign } from './gate.ts';
import { frameworkNamed } from './frameworks/framework.ts';
import { agent, tenant, user, writePrivately } from './place.ts';
import { started } from './process.ts';
import { demoTools } from './tools.ts';
import { traced, type TraceParent } from './tracing.ts';

/** What is kept of a suspended run. The run id comes from here, from the server; who is asking comes anew each time. */
interface Suspended {
  readonly run: string;
  readonly traceParent: TraceParent;
  readonly state: unknown;
}

const instructions =
  'You are a support engineer. Use exactly the tools you need, one call at a time. A call may be denied or wait for ' +
  'approval: then go on with the next task, and never repeat it. At the end say what was done and what was not.';
const prompt =
  '1. Read ticket 4711. 2. Comment on it: release 1.4.1 broke the payment form, 1.4.2 fixes it. 3. Delete the customer ' +
  '"all-inactive". 4. Deploy version 1.4.2 of the service "checkout" to production.';

const { place, args, report } = started();
const [mode = '', frameworkName = '', serviceUrl = '', modelUrl] = args;
const framework = await frameworkNamed(frameworkName);
const suspended = mode === 'resume' ? (JSON.parse(readFileSync(place.suspended, 'utf8')) as Suspended) : undefined;

const countersign = createDemoCountersign(place);
const run = suspended?.run ?? countersign.newRun();
const settings = {
  modelUrl,
  instructions,
  tools: demoTools(serviceUrl),
  gate: countersign.gate({ tenant, user, agent, run }),
  stateKey: readKeyFile(place.stateKey).export(),
  say: (line: string) => report({ line }),
};

await traced(place.spans, `POST /chat (${mode})`, suspended?.traceParent, async (traceParent) => {
  const result =
    suspended === undefined
      ? await framework.start(settings, prompt)
      : await framework.resume(settings, suspended.state);
  if (result.suspended && suspended === undefined) {
    writePrivately(place.suspended, JSON.stringify({ run, traceParent, state: result.state } satisfies Suspended));
  }
  report({ run, suspended: result.suspended, text: result.text });
});
await countersign.close();
process.disconnect();
