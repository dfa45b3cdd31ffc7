/**
 * What must hold at the end of the demo, whoever decided and whatever the model said.
 */
import { approver } from './place.ts';
import type { CallRow, Summary } from './report.ts';

/** Every promise that was broken, as a sentence. */
export function problemsOf(summary: Summary): readonly string[] {
  const { story, calls, verification, leases, service } = summary;
  const problems: string[] = [];
  const expect = (holds: boolean, problem: string): void => void (holds || problems.push(problem));

  expect(
    verification.ok && verification.records > 0,
    `the ledger does not verify: ${verification.problems.map(({ message }) => message).join('; ')}`,
  );
  expect(leases.issued === leases.revoked, `${leases.issued} leases were issued, ${leases.revoked} revoked`);
  expect(story.withoutToken === 401, `the service answered ${story.withoutToken} to a request without a token`);
  expect(story.console === 200, `the console answered ${story.console}`);
  expect(story.deployments.claimed === 0, 'something was deployed before a person had decided');
  expect(story.deployments.replayed === story.deployments.resumed, 'the replay deployed once more');
  expect(story.worker[1] === 0, 'the worker ran a call twice');
  for (const call of calls) problems.push(...problemsOfCall(call));
  const performed = service.filter(({ status }) => status === 200).length;
  const accounted = calls.reduce((sum, { seen }) => sum + seen, 0);
  expect(
    performed === accounted,
    `the service performed ${performed} operations, the ledger accounts for ${accounted}`,
  );
  if (story.scriptedModel) problems.push(...problemsOfStory(summary));
  return problems;
}

function problemsOfCall({ tool, decision, vote, outcome, seen }: CallRow): readonly string[] {
  const allowed = decision === 'allow' || vote.startsWith('approved');
  return [
    ...(seen > 1 ? [`${tool} reached the service ${seen} times`] : []),
    ...(seen > 0 && !allowed ? [`${tool} reached the service although nobody allowed it`] : []),
    ...(decision === 'deny' && outcome !== 'not run' ? [`${tool} was denied and is ${outcome}`] : []),
    ...(outcome === 'completed' && seen !== 1 ? [`${tool} is completed, and the service saw it ${seen} times`] : []),
  ];
}

/** The story that the scripted model follows. What a person decided shows in the outcome of the two reviewed calls. */
const planned: readonly (readonly [tool: string, risk: string, decision: string])[] = [
  ['tickets_read', 'low', 'allow'],
  ['tickets_comment', 'medium', 'review'],
  ['customers_delete', 'high', 'deny'],
  ['deploy_production', 'high', 'review'],
];

function problemsOfStory({ calls, story }: Summary): readonly string[] {
  const problems = planned.flatMap(([tool, risk, decision]) => {
    const [call, ...others] = calls.filter((candidate) => candidate.tool === tool);
    if (call === undefined || others.length > 0)
      return [`${tool} was called ${others.length + (call === undefined ? 0 : 1)} times, not once`];
    const wrong =
      call.risk === risk && call.decision === decision
        ? []
        : [`${tool} is ${call.risk}, ${call.decision}; expected ${risk}, ${decision}`];
    const mustRun = decision === 'allow' || call.vote.startsWith('approved');
    return mustRun === (call.outcome === 'completed')
      ? wrong
      : [...wrong, `${tool} is ${call.outcome} (vote: ${call.vote})`];
  });
  const votes = calls.filter(({ vote }) => vote === `approved by ${approver}`).length;
  if (story.scriptedApprover && votes !== 2) problems.push(`the approver approved ${votes} calls, not two`);
  if (!story.suspended) problems.push('the run was not suspended');
  return problems;
}
