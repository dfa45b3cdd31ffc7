/**
 * The forms that a button opens: a reason, or a change of the arguments.
 * @module
 */
import type { InputBlock, ModalView } from '@slack/types';
import { formMetadata, type Form } from './actions.ts';
import { plainText, plainTexts } from './plain-text.ts';

/** Where in a form the text stands, by what the form is for. */
export const inputs: Readonly<Record<Form['action'], { readonly block: string; readonly action: string }>> = {
  approve: { block: 'countersign_reason', action: 'text' },
  reject: { block: 'countersign_reason', action: 'text' },
  edit: { block: 'countersign_change', action: 'text' },
};

const maxReason = 1_000;
const maxChange = 3_000;

export function formOf(form: Form, summary: string): ModalView {
  const { title, submit } = words[form.action];
  return {
    type: 'modal',
    callback_id: `countersign_${form.action}_form`,
    private_metadata: formMetadata(form),
    title: plainText(title, 24),
    submit: plainText(submit, 24),
    close: plainText('Back', 24),
    blocks: [
      ...(summary === '' ? [] : plainTexts(summary, 3_000, 2)).map((text) => ({ type: 'section' as const, text })),
      form.action === 'edit' ? changeInput() : reasonInput(form.action, form.reasonRequired),
    ],
  };
}

const words: Readonly<Record<Form['action'], { readonly title: string; readonly submit: string }>> = {
  approve: { title: 'Approve', submit: 'Approve' },
  reject: { title: 'Reject', submit: 'Reject' },
  edit: { title: 'Edit the arguments', submit: 'Check and change' },
};

function reasonInput(action: 'approve' | 'reject', required: boolean): InputBlock {
  return {
    type: 'input',
    block_id: inputs[action].block,
    label: plainText('Reason', 150),
    optional: !required,
    element: {
      ...{ type: 'plain_text_input', action_id: inputs[action].action, multiline: true, max_length: maxReason },
      // Slack opens no form on a minimum of 0.
      ...(required ? { min_length: 1 } : {}),
    },
  };
}

function changeInput(): InputBlock {
  const { block, action } = inputs.edit;
  return {
    type: 'input',
    block_id: block,
    label: plainText('What to change, as a JSON merge patch', 150),
    hint: plainText(
      'Only the members that change, e.g. {"region": "eu-west-1"}; null removes one (RFC 7396). What is hidden above stays ' +
        'as it is. Then the request has new arguments, and still waits for a decision.',
      2_000,
    ),
    optional: false,
    element: { type: 'plain_text_input', action_id: action, multiline: true, min_length: 2, max_length: maxChange },
  };
}
