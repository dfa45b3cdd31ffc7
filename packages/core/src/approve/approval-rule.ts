/**
 * Who may decide on an approval, and when: what the policy says of it, and the questions that are asked of it.
 * @module
 */

/** Days and times at which decisions are taken, in a time zone. */
export interface WorkingHours {
  /** IANA name, e.g. `Europe/Berlin`. */
  readonly zone: string;
  readonly days: readonly Weekday[];
  /** `HH:MM`, inclusive. */
  readonly from: string;
  /** `HH:MM`, exclusive. */
  readonly to: string;
}

export type Weekday = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun';

/** From `afterMs` after the request on, these groups may decide too. */
export interface EscalationStep {
  readonly afterMs: number;
  readonly groups: readonly string[];
}

/** In the order of its members it stands under the digest of an approval. */
export interface ApprovalRule {
  /** From request to expiry, in milliseconds. */
  readonly ttlMs: number;
  /** Empty: every approver of the tenant. The requester never may. */
  readonly groups: readonly string[];
  /** How many must agree. One rejection rejects. */
  readonly quorum: number;
  readonly reasonRequired: boolean;
  /** Whether an approver may change the arguments before deciding. */
  readonly edit: boolean;
  readonly hours?: WorkingHours | undefined;
  /** In the order of time. */
  readonly escalation: readonly EscalationStep[];
}

/** Where no policy says otherwise: any approver of the tenant, within 15 minutes. */
export const defaultApprovalRule: ApprovalRule = Object.freeze({
  ttlMs: 900_000,
  groups: [],
  quorum: 1,
  reasonRequired: false,
  edit: false,
  hours: undefined,
  escalation: [],
});

/** Members in a fixed order, for the digest and the store. */
export function approvalRuleText(rule: ApprovalRule): string {
  const { ttlMs, groups, quorum, reasonRequired, edit, hours, escalation } = rule;
  const { zone, days, from, to } = hours ?? {};
  return JSON.stringify({
    ttlMs,
    groups,
    quorum,
    reasonRequired,
    edit,
    hours: hours && { zone, days, from, to },
    escalation: escalation.map((step) => ({ afterMs: step.afterMs, groups: step.groups })),
  });
}

/** From the store. What it says counts only together with the digest that covers it. */
export function parseApprovalRule(text: string): ApprovalRule {
  return JSON.parse(text) as ApprovalRule;
}

/** `undefined` for a row that somebody damaged: nobody can decide on it, and it must not hide the others. */
export function readableRule(text: string): ApprovalRule | undefined {
  try {
    const rule = parseApprovalRule(text) as Partial<ApprovalRule> | null;
    const whole = typeof rule?.quorum === 'number' && Array.isArray(rule.groups) && Array.isArray(rule.escalation);
    return whole ? (rule as ApprovalRule) : undefined;
  } catch {
    return undefined;
  }
}

/** The groups that may decide now: more of them the longer nobody did. Empty: every approver of the tenant. */
export function groupsInCharge(rule: ApprovalRule, openForMs: number): readonly string[] {
  if (rule.groups.length === 0) return [];
  const reached = rule.escalation.filter(({ afterMs }) => openForMs >= afterMs);
  return [...new Set([...rule.groups, ...reached.flatMap(({ groups }) => groups)])];
}

/** How many steps of the ladder have been reached. */
export function escalationLevel(rule: ApprovalRule, openForMs: number): number {
  return rule.escalation.filter(({ afterMs }) => openForMs >= afterMs).length;
}

/** Whether a member of these groups may decide now. */
export function isEligible(rule: ApprovalRule, groups: readonly string[], openForMs: number): boolean {
  const inCharge = groupsInCharge(rule, openForMs);
  return rule.groups.length === 0 || groups.some((group) => inCharge.includes(group));
}

const weekdays: readonly Weekday[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** @param time milliseconds since the epoch */
export function isWithinHours(hours: WorkingHours | undefined, time: number): boolean {
  if (hours === undefined) return true;
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: hours.zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(time);
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? '';
  const day = part('weekday').toLowerCase();
  const clock = `${part('hour')}:${part('minute')}`;
  return weekdays.some((each) => each === day && hours.days.includes(each)) && clock >= hours.from && clock < hours.to;
}
