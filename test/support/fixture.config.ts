import { defineConfig } from 'vitest/config';
import shared from '../../vitest.config.ts';

// Runs the tests that `summary.test.ts` wants to see skipped or failing.
export default defineConfig({ test: { ...shared.test, include: ['test/support/*.fixture.ts'] } });
