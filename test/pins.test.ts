import { describe, expect, test } from 'vitest';
import * as agents from '@countersign/openai-agents';
import * as aiSdk from '@countersign/ai-sdk';
import * as aws from '@countersign/aws';
import * as console from '@countersign/console';
import * as core from '@countersign/core';
import * as channel from '@countersign/core/channel';
import * as sqlite from '@countersign/core/sqlite';
import * as testing from '@countersign/core/testing';
import * as cloudwatch from '@countersign/cloudwatch';
import * as otlp from '@countersign/otlp';
import { instruments } from '../packages/core/src/record/metrics.ts';
import * as email from '@countersign/email';
import * as github from '@countersign/github';
import * as kit from '@countersign/core/store-kit';
import * as langchain from '@countersign/langchain';
import * as postgres from '@countersign/postgres';
import * as oauth from '@countersign/oauth';
import * as providerKit from '@countersign/core/provider-kit';
import * as slack from '@countersign/slack';
import * as vault from '@countersign/vault';
import * as webhook from '@countersign/webhook';

/**
 * What users can see. A red pin does not forbid a change: it makes it a deliberate one, with an entry in the changelog.
 */
describe('public names', () => {
  const names = (module: object): string[] => Object.keys(module).toSorted();
  test('of the core', () =>
    expect(names(core)).toMatchInlineSnapshot(`
      [
        "ApprovalConflict",
        "ApprovalNotFound",
        "ApproverError",
        "ArgumentsError",
        "CallPending",
        "CallUnknown",
        "ConfigurationError",
        "ConsentRequired",
        "CountersignError",
        "IdentifierError",
        "KeyError",
        "LeaseError",
        "LedgerError",
        "PolicyError",
        "PrincipalError",
        "Secret",
        "StoreError",
        "ToolNotGovernable",
        "UnauthorizedToolCall",
        "ambientGate",
        "approvalLoad",
        "approvalsHttp",
        "approverFile",
        "argumentsDigest",
        "askInTerminal",
        "callSlot",
        "combinePolicies",
        "createApprovals",
        "createApproverToken",
        "createCountersign",
        "createKeyFile",
        "createNotary",
        "createNoteSigner",
        "createOutbox",
        "createVoteSigner",
        "credentialChain",
        "currentCall",
        "currentLease",
        "definePolicy",
        "describeApproval",
        "describeRule",
        "encryptedFileProvider",
        "envFileProvider",
        "fileWitness",
        "findLiteralSecrets",
        "findRecord",
        "forgetReceiver",
        "formatVerifierKey",
        "isEligible",
        "isWithinHours",
        "keepLogin",
        "leaseFetch",
        "listInventory",
        "maxRisk",
        "memoryRevocationList",
        "memoryStore",
        "namesSecret",
        "notPermitted",
        "ocsfEvent",
        "openHolds",
        "openLedger",
        "outboxStatus",
        "parsePolicy",
        "parseVerifierKey",
        "plainCodec",
        "policyFile",
        "proveRecord",
        "readKeyFile",
        "readPrivateFile",
        "recordAttributes",
        "registerSecret",
        "rekeySecretsFile",
        "removeSecret",
        "reportSpend",
        "requireCapability",
        "resolveGate",
        "resultOf",
        "riskCatalogue",
        "runnable",
        "sealSecretsFile",
        "terminalChannel",
        "tokenMinter",
        "verifyLedger",
        "verifyMintedToken",
        "verifyProof",
        "visible",
      ]
    `));
  test('of the SQLite store', () =>
    expect(names(sqlite)).toMatchInlineSnapshot(`
    [
      "sqliteStore",
    ]
  `));
  test('of the kit for drivers of a store', () =>
    expect(names(kit)).toMatchInlineSnapshot(`
      [
        "createChain",
        "createOperations",
        "createTopics",
        "createUndoLog",
        "maxRows",
        "memoryTables",
        "newWriter",
      ]
    `));
  test('of the PostgreSQL store', () =>
    expect(names(postgres)).toMatchInlineSnapshot(`
    [
      "maintainPartitions",
      "migrate",
      "postgresStore",
    ]
  `));
  test('of the contract suites', () =>
    expect(names(testing)).toMatchInlineSnapshot(`
    [
      "channelContract",
      "providerContract",
      "storeContract",
    ]
  `));
  test('of what providers are built with', () =>
    expect(names(providerKit)).toMatchInlineSnapshot(`
    [
      "createClock",
      "createRecorder",
      "createSealer",
      "isLoopback",
      "keyBytes",
      "requireId",
      "takeLock",
      "within",
    ]
  `));
  test('of the OAuth provider', () =>
    expect(names(oauth)).toMatchInlineSnapshot(`
    [
      "actorTokens",
      "createOAuth",
      "fromAuthJs",
      "nodeListener",
    ]
  `));
  test('of what channels share', () =>
    expect(names(channel)).toMatchInlineSnapshot(`
      [
        "PartlyTold",
        "RequestRefused",
        "askDirectory",
        "boundedReplayGuard",
        "codeOf",
        "consoleAddress",
        "createRateLimit",
        "groupedCode",
        "isFresh",
        "isLoopback",
        "maxPointer",
        "memoryReplayGuard",
        "networkOfAddress",
        "parseJsonText",
        "problemResponse",
        "readBody",
        "samePerson",
        "statusOfError",
        "tellListener",
        "typedCode",
        "visible",
        "within",
      ]
    `));
  test('of the webhook channel', () =>
    expect(names(webhook)).toMatchInlineSnapshot(`
    [
      "dangerouslyPostToLoopback",
      "webhookCallback",
      "webhookChannel",
    ]
  `));
  test('of the e-mail channel', () =>
    expect(names(email)).toMatchInlineSnapshot(`
    [
      "emailChannel",
      "mailCodes",
    ]
  `));
  test('of the Slack channel', () =>
    expect(names(slack)).toMatchInlineSnapshot(`
    [
      "slackChannel",
      "slackInteractions",
    ]
  `));
  test('of the AI SDK adapter', () =>
    expect(names(aiSdk)).toMatchInlineSnapshot(`
    [
      "detectUnguarded",
      "guardModel",
      "guardToolApproval",
      "guardTools",
      "inventoryOf",
      "recordApprovalResponses",
    ]
  `));
  test('of the OpenAI Agents adapter', () =>
    expect(names(agents)).toMatchInlineSnapshot(`
    [
      "guardAgent",
      "inventoryOf",
      "resumeRunState",
      "runnableTools",
      "signRunState",
    ]
  `));
  test('of the console', () =>
    expect(names(console)).toMatchInlineSnapshot(`
      [
        "approverToken",
        "createConsole",
        "oidcSignIn",
        "oneTimeCode",
        "serveConsole",
      ]
    `));
  test('of the LangChain adapter', () =>
    expect(names(langchain)).toMatchInlineSnapshot(`
    [
      "CountersignCallbackHandler",
      "countersignMiddleware",
      "guardAgent",
      "guardTool",
      "guardTools",
      "inventoryOf",
      "recordAnswer",
    ]
  `));
  test('of the Vault providers', () =>
    expect(names(vault)).toMatchInlineSnapshot(`
    [
      "appRole",
      "jwt",
      "vaultConnection",
      "vaultDynamicProvider",
      "vaultKvProvider",
    ]
  `));
  test('of the AWS providers', () =>
    expect(names(aws)).toMatchInlineSnapshot(`
    [
      "awsCredentials",
      "awsSecretsProvider",
      "awsSessionProvider",
    ]
  `));
  test('of the GitHub provider', () =>
    expect(names(github)).toMatchInlineSnapshot(`
    [
      "fineGrainedTokenExpiry",
      "githubAppProvider",
    ]
  `));
});

describe('of the receivers', () => {
  test('public names', () =>
    expect([Object.keys(otlp), Object.keys(cloudwatch)]).toEqual([['otlpSink'], ['cloudWatchSink']]));
});

test('metric names, units and kinds', () =>
  expect(
    Object.values(instruments)
      .map(({ name, unit, kind }) => `${name} ${unit} ${kind}`)
      .toSorted(),
  ).toMatchInlineSnapshot(`
    [
      "countersign.approval.opened {approval} counter",
      "countersign.approval.vote s histogram",
      "countersign.approval.wait s histogram",
      "countersign.calls.unknown {call} counter",
      "countersign.decisions {decision} counter",
      "countersign.denials {call} counter",
      "countersign.gate.duration s histogram",
      "countersign.lease.failures {lease} counter",
      "countersign.outbox.backlog {record} gauge",
      "countersign.outbox.delivered {record} counter",
      "countersign.outbox.failures {delivery} counter",
      "countersign.outbox.refused {record} counter",
    ]
  `));

test('every error class has its code, and is recognised across two copies of the module', async () => {
  const classes = Object.values(core).filter(
    (value): value is typeof core.LeaseError => typeof value === 'function' && Object.hasOwn(value, 'code'),
  );
  expect(classes.map(({ code }) => code).toSorted()).toMatchInlineSnapshot(`
    [
      "ERR_APPROVAL_CONFLICT",
      "ERR_APPROVAL_NOT_FOUND",
      "ERR_APPROVER",
      "ERR_ARGUMENTS",
      "ERR_CALL_PENDING",
      "ERR_CALL_UNKNOWN",
      "ERR_CONFIGURATION",
      "ERR_CONSENT_REQUIRED",
      "ERR_IDENTIFIER",
      "ERR_KEY",
      "ERR_LEASE",
      "ERR_LEDGER",
      "ERR_POLICY",
      "ERR_PRINCIPAL",
      "ERR_STORE",
      "ERR_TOOL_NOT_GOVERNABLE",
      "ERR_UNAUTHORIZED_TOOL_CALL",
    ]
  `);
  const copy = (await import('../packages/core/src/errors.ts?copy' as string)) as typeof core;
  const error = new copy.LeaseError('x');
  expect(copy.LeaseError).not.toBe(core.LeaseError);
  expect(error).toBeInstanceOf(core.LeaseError);
  expect(error).toBeInstanceOf(core.CountersignError);
  expect(error).not.toBeInstanceOf(core.StoreError);
  expect({ code: 'ERR_LEASE' }).not.toBeInstanceOf(core.LeaseError);
});
