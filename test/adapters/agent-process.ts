/** A process of an application: does what it is sent, one job after another, and ends with its parent. */
import process from 'node:process';
import type { Job } from './harness.ts';
import { harnessOf } from './harnesses.ts';

process.on('disconnect', () => process.exit());
process.on('message', (job: Job) => {
  void harnessOf(job.framework)
    .then((harness) => harness(job))
    .then((report) => process.send?.(report));
});
