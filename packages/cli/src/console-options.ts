/**
 * How people sign in to the console that `countersign console` serves.
 * @module
 */
import { Option, type Command } from 'commander';
import { visible, type Approver, type ApproverDirectory } from '@countersign/core';
import type { OidcPerson, SignIn } from '@countersign/console';
import { CommandFailure } from './exit-codes.ts';
import { privateJsonFrom } from './files.ts';
import { printAside } from './output.ts';

const ways = ['code', 'token', 'oidc'] as const;

export interface SignInOptions {
  readonly signIn: readonly (typeof ways)[number][];
  readonly tenant: string;
  readonly as?: string;
  readonly group?: readonly string[];
  readonly approvers?: string;
  readonly oidcApprovers?: string;
}

export function withSignInOptions(command: Command): Command {
  return command
    .requiredOption('--tenant <id>', 'whose ledger keeps refused sign-ins; and whose approver the code signs in')
    .addOption(
      new Option(
        '--sign-in <ways...>',
        'code: printed here, this machine only; token: of the approver; oidc: a provider',
      )
        .choices(ways)
        .default(['code']),
    )
    .option('--as <id>', 'code: the approver who signs in with it')
    .option('--group <names...>', 'code: the groups of that approver')
    .option('--approvers <path>', 'token: the file of approvers, mode 0600')
    .option('--oidc-approvers <path>', 'oidc: who may sign in, mode 0600; the provider is in COUNTERSIGN_OIDC_…');
}

/** @param approvers of the approvals service, where tokens are used */
export async function signInsFrom(options: SignInOptions, approvers: ApproverDirectory): Promise<readonly SignIn[]> {
  const { approverToken, oidcSignIn, oneTimeCode } = await import('@countersign/console');
  const makers: Readonly<Record<(typeof ways)[number], () => SignIn>> = {
    code: () => oneTimeCode({ approver: approverFrom(options), print: printCode }),
    token: () => {
      if (options.approvers === undefined) throw new CommandFailure('usage', '--sign-in token needs --approvers');
      return approverToken(approvers);
    },
    oidc: () => {
      const { oidcApprovers: path } = options;
      if (path === undefined) throw new CommandFailure('usage', '--sign-in oidc needs --oidc-approvers');
      readOidcApprovers(path);
      // Read again at every request, so that who is taken out is out at once.
      return oidcSignIn({ ...providerFrom(process.env), approverFor: (person) => oidcApprover(path, person) });
    },
  };
  return [...new Set(options.signIn)].map((way) => makers[way]());
}

function approverFrom({ tenant, as: id, group: groups = [] }: SignInOptions): Approver {
  if (id === undefined) throw new CommandFailure('usage', '--sign-in code needs --as: who signs in with it?');
  return { tenant, id, groups };
}

function printCode(code: string): void {
  printAside(visible(`One-time code, good for five minutes: ${code}`));
}

function providerFrom(environment: NodeJS.ProcessEnv) {
  const required = (name: string): string => {
    const value = environment[`COUNTERSIGN_OIDC_${name}`] ?? '';
    if (value === '') throw new CommandFailure('usage', `--sign-in oidc needs COUNTERSIGN_OIDC_${name}`);
    return value;
  };
  const clientSecret = environment['COUNTERSIGN_OIDC_CLIENT_SECRET'] ?? '';
  const scope = environment['COUNTERSIGN_OIDC_SCOPE'] ?? '';
  return {
    issuer: required('ISSUER'),
    clientId: required('CLIENT_ID'),
    ...(clientSecret === '' ? {} : { clientSecret }),
    ...(scope === '' ? {} : { scope }),
  };
}

interface OidcApprover extends Approver {
  readonly issuer: string;
  readonly sub: string;
}

function oidcApprover(path: string, { issuer, sub }: OidcPerson): Approver | undefined {
  const known = readOidcApprovers(path).find((entry) => entry.issuer === issuer && entry.sub === sub);
  return known && { tenant: known.tenant, id: known.id, groups: known.groups ?? [] };
}

function readOidcApprovers(path: string): readonly OidcApprover[] {
  const entries = privateJsonFrom('file of approvers', path);
  if (Array.isArray(entries) && entries.every(isOidcApprover)) return entries;
  throw new CommandFailure('usage', `${path}: expected a list of { issuer, sub, tenant, id, groups? }`);
}

function isOidcApprover(entry: unknown): entry is OidcApprover {
  if (typeof entry !== 'object' || entry === null) return false;
  const { issuer, sub, tenant, id, groups = [] } = entry as Readonly<Record<string, unknown>>;
  const texts = [issuer, sub, tenant, id].every((text) => typeof text === 'string' && text !== '');
  return texts && Array.isArray(groups) && groups.every((group) => typeof group === 'string' && group !== '');
}
