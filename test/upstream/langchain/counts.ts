/** What the gate was asked, and how often a tool's own code was entered, in the test that runs now. */
export const counts: { decisions: number; executions: number } = { decisions: 0, executions: 0 };
