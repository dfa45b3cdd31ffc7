import { RequestRefused } from '@countersign/core/channel';

/** Refused before anything was decided. Its reason is a word of ours, never text of the request. */
export class Refusal extends RequestRefused {
  /** Which request it was about, when Slack vouches for that. */
  readonly approval: string | undefined;
  constructor(status: number, reason: string, message: string, approval?: string) {
    super(status, message, reason);
    this.approval = approval;
  }
}

export function malformed(message: string): Refusal {
  return new Refusal(400, 'malformed', message);
}
