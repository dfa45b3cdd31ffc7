/**
 * Which agent may do what, and who decides on it.
 * @module
 */
import {
  describeRule,
  isEligible,
  type ApprovalRule,
  type Approver,
  type Policy,
  type PolicyRule,
} from '@countersign/core';
import { describeHours } from './describe.ts';
import { html, type Html } from './html.ts';
import { riskBadge, shown, wide } from './layout.ts';

export interface PolicyPage {
  readonly policy: Policy;
  readonly tenant: string;
  /** `undefined` when the directory cannot list them. */
  readonly approvers: readonly Approver[] | undefined;
}

const maxAgents = 200;
const maxNames = 8;
const risks = ['low', 'medium', 'high'] as const;

export function policyPage({ policy, tenant, approvers }: PolicyPage): Html {
  const agents = policy.agents(maxAgents);
  return html`<h1>Policy</h1>
    <p class="lead">
      <b>${shown(policy.name)}</b>, version <code>${policy.version(tenant) ?? ''}</code>, in force for ${shown(tenant)}.
      What is not listed is denied.
    </p>
    <dl class="tiles levels">
      <div>
        <dt>${riskBadge({ risk: 'low' })}</dt>
        <dd><span>runs at once</span></dd>
      </div>
      <div>
        <dt>${riskBadge({ risk: 'medium' })}</dt>
        <dd><span>is filed; runs later, once, when people approved it</span></dd>
      </div>
      <div>
        <dt>${riskBadge({ risk: 'high' })}</dt>
        <dd><span>blocks until people approved it; silence is a denial</span></dd>
      </div>
    </dl>
    <section aria-labelledby="agents">
      <h2 id="agents">Agents and capabilities</h2>
      ${wide('Capabilities of each agent, by risk', matrix(agents))}
      <p class="note">
        <abbr title="or more">+</abbr> the arguments can raise the risk · <abbr title="limited">◐</abbr> held for some
        arguments only · in parentheses the tools that need it.
        ${agents.length === maxAgents && `These are the first ${maxAgents} agents.`}
      </p>
    </section>
    <section aria-labelledby="tools">
      <h2 id="tools">Tools and who decides</h2>
      ${wide('What holds for each tool', toolTable(policy.rules, approvers))}
      <p class="note">Whoever made a request never decides on it.</p>
    </section>
    <section aria-labelledby="approvers">
      <h2 id="approvers">Approvers</h2>
      ${approverPart(policy.rules, approvers)}
    </section>`;
}

function matrix(agents: ReturnType<Policy['agents']>): Html {
  return html`<table class="matrix">
    <thead>
      <tr>
        <th scope="col">Agent</th>
        ${risks.map((risk) => html`<th scope="col">${riskBadge({ risk })}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${agents.map(
        ({ agent, capabilities }) =>
          html`<tr>
            <th scope="row">${shown(agent)}</th>
            ${risks.map((risk) => {
              const held = capabilities.filter((each) => each.risk === risk);
              return html`<td>
                ${
                  held.length === 0
                    ? html`<span class="none" aria-label="nothing">–</span>`
                    : html`<ul>
                        ${held.map(
                          ({ capability, conditional, constrained, tools }) =>
                            html`<li>
                              <code>${shown(capability)}</code
                              >${conditional && html` <abbr title="or more">+</abbr>`}${constrained && html` <abbr title="limited">◐</abbr>`}
                              <small>(${tools.length === 0 ? 'no tool' : shown(tools.join(', '))})</small>
                            </li>`,
                        )}
                      </ul>`
                }
              </td>`;
            })}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function toolTable(rules: readonly PolicyRule[], approvers: readonly Approver[] | undefined): Html {
  return html`<table>
    <thead>
      <tr>
        <th scope="col">Tool</th>
        <th scope="col">Risk</th>
        <th scope="col">Decided by</th>
        ${approvers !== undefined && html`<th scope="col">Today that is</th>`}
        <th scope="col">Credentials</th>
      </tr>
    </thead>
    <tbody>
      ${rules.map((rule) => {
        const asked = ruleOf(rule);
        return html`<tr>
          <th scope="row">
            ${shown(rule.tool)}${rule.source !== 'local' && html` <small>${shown(rule.source)}</small>`}
            <br /><code>${shown(rule.capability)}</code>
          </th>
          <td class="risk">${riskBadge(rule)}${rule.conditional && html` <abbr title="or more">+</abbr>`}</td>
          <td class="deciders">${asked === undefined ? 'runs without asking' : decidedBy(rule, asked)}</td>
          ${approvers !== undefined && html`<td>${asked === undefined ? '' : people(asked, approvers)}</td>`}
          <td>
            ${rule.services.length === 0 ? html`<span class="none" aria-label="none">–</span>` : shown(rule.services.join(', '))}
          </td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

/** The rule that is asked first; none for what always runs. */
function ruleOf({ risk, conditional, approval }: PolicyRule): ApprovalRule | undefined {
  if (risk === 'low' && !conditional) return undefined;
  return approval[risk === 'high' ? 'high' : 'medium'];
}

function decidedBy({ risk, conditional, approval }: PolicyRule, asked: ApprovalRule): Html {
  const atHigh = conditional && risk !== 'high' ? describeTerms(approval.high) : undefined;
  const words = describeTerms(asked);
  return html`${risk === 'low' && 'Where the arguments raise the risk: '}${shown(words)}${
    atHigh !== undefined && atHigh !== words && html`<br /><small>At high risk: ${shown(atHigh)}</small>`
  }`;
}

function describeTerms(rule: ApprovalRule): string {
  const { ttlMs, edit, hours } = rule;
  const more = [
    `within ${ttlMs % 3_600_000 === 0 ? `${ttlMs / 3_600_000} h` : `${ttlMs / 60_000} min`}`,
    ...(hours === undefined ? [] : [describeHours(hours)]),
    ...(edit ? ['may change the arguments'] : []),
  ];
  return `${describeRule(rule)}; ${more.join('; ')}`;
}

function people(rule: ApprovalRule, approvers: readonly Approver[]): Html {
  const atOnce = approvers.filter(({ groups = [] }) => isEligible(rule, groups, 0));
  const later = approvers.filter(
    (each) => !atOnce.includes(each) && isEligible(rule, each.groups ?? [], Number.POSITIVE_INFINITY),
  );
  const tooFew = atOnce.length + later.length < rule.quorum;
  return html`${atOnce.length === 0 ? 'nobody at first' : shown(names(atOnce))}${
    later.length > 0 && html`<br /><small>Later also ${shown(names(later))}</small>`
  }${tooFew && html`<br /><strong class="quick">Too few people for it: it will expire.</strong>`}`;
}

function names(approvers: readonly Approver[]): string {
  const more = approvers.length - maxNames;
  const listed = approvers.slice(0, maxNames).map(({ id }) => id);
  return more > 0 ? `${listed.join(', ')} and ${more} more` : listed.join(', ');
}

function approverPart(rules: readonly PolicyRule[], approvers: readonly Approver[] | undefined): Html {
  if (approvers === undefined) {
    return html`<p class="note">The directory of approvers of this installation cannot list them.</p>`;
  }
  if (approvers.length === 0) return html`<p class="note">There is nobody: every request will expire.</p>`;
  return wide(
    'Approvers, their groups, and what they may decide',
    html`<table>
      <thead>
        <tr>
          <th scope="col">Approver</th>
          <th scope="col">Groups</th>
          <th scope="col">May decide on</th>
        </tr>
      </thead>
      <tbody>
        ${approvers.map(({ id, groups = [] }) => {
          const tools = rules.filter((rule) => mayDecide(rule, groups)).map(({ tool }) => tool);
          return html`<tr>
            <th scope="row">${shown(id)}</th>
            <td>
              ${groups.length === 0 ? html`<span class="none" aria-label="none">–</span>` : shown(groups.join(', '))}
            </td>
            <td>${tools.length === 0 ? 'nothing' : shown(tools.join(', '))}</td>
          </tr>`;
        })}
      </tbody>
    </table>`,
  );
}

function mayDecide(rule: PolicyRule, groups: readonly string[]): boolean {
  const asked = ruleOf(rule);
  return asked !== undefined && isEligible(asked, groups, Number.POSITIVE_INFINITY);
}
