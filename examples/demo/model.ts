/**
 * The model server: speaks the OpenAI wire protocol and plays a model that follows the story. It decides by the tool
 * results that it is shown, as a model would, so it does not matter which process asks.
 */
import { LLMock, type ChatCompletionRequest, type FixtureResponse } from '@copilotkit/aimock';
import { started } from './process.ts';

const plan: readonly { readonly id: string; readonly name: string; readonly arguments: object }[] = [
  { id: 'call_1', name: 'tickets_read', arguments: { ticket: 4711 } },
  {
    id: 'call_2',
    name: 'tickets_comment',
    arguments: { ticket: 4711, text: 'Release 1.4.1 broke the payment form. 1.4.2 fixes it.' },
  },
  { id: 'call_3', name: 'customers_delete', arguments: { customer: 'all-inactive' } },
  { id: 'call_4', name: 'deploy_production', arguments: { service: 'checkout', version: '1.4.2' } },
];

function answer({ messages }: ChatCompletionRequest): FixtureResponse {
  const results = new Map(
    messages.flatMap(({ role, tool_call_id: id, content }) =>
      role === 'tool' && id !== undefined ? [[id, textOf(content)]] : [],
    ),
  );
  const next = plan.find(({ id }) => !results.has(id));
  if (next !== undefined)
    return { toolCalls: [{ id: next.id, name: next.name, arguments: JSON.stringify(next.arguments) }] };
  const deployed = /"deployment"/.test(results.get('call_4') ?? '');
  return {
    content:
      `${deployed ? 'Version 1.4.2 of checkout is deployed.' : 'The deployment did not run.'} ` +
      'My comment on ticket 4711 waits for approval. I was not permitted to delete customers, so I left them alone.',
  };
}

function textOf(content: ChatCompletionRequest['messages'][number]['content']): string {
  return typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('');
}

const { report } = started();
const server = new LLMock({ port: 0, host: '127.0.0.1', strict: true, journalMaxEntries: 0 });
server.addFixture({ match: { predicate: () => true }, response: answer });
await server.start();
report({ url: server.url });
