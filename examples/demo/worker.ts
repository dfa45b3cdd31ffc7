/**
 * The worker process: runs the asynchronous calls that were approved meanwhile.
 */
import { ambientGate } from '@countersign/core';
import { createDemoCountersign } from './gate.ts';
import { frameworkNamed } from './frameworks/framework.ts';
import { started } from './process.ts';
import { demoTools } from './tools.ts';
import { traced } from './tracing.ts';

const { place, args, report } = started();
const [frameworkName = '', serviceUrl = ''] = args;
const framework = await frameworkNamed(frameworkName);
const countersign = createDemoCountersign(place);
const worker = countersign.worker({
  tools: await framework.runnableTools({ tools: demoTools(serviceUrl), gate: ambientGate }),
  onSettled: ({ approval, outcome }) => report({ line: `runs ${approval.call.tool.name}: ${outcome.status}` }),
});
const ran = await traced(place.spans, 'worker tick', undefined, () => worker.tick());
report({ ran });
await countersign.close();
process.disconnect();
