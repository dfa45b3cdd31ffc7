import { describe, expect, test } from 'vitest';
import * as agents from '@countersign/openai-agents';
import * as aiSdk from '@countersign/ai-sdk';
import * as core from '@countersign/core';
import * as channel from '@countersign/core/channel';
import * as sqlite from '@countersign/core/sqlite';
import * as testing from '@countersign/core/testing';
import * as langchain from '@countersign/langchain';
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
        "createVoteSigner",
        "currentCall",
        "currentLease",
        "definePolicy",
        "describeApproval",
        "describeRule",
        "encryptedFileProvider",
        "listInventory",
        "maxRisk",
        "memoryRevocationList",
        "memoryStore",
        "notPermitted",
        "openLedger",
        "parsePolicy",
        "plainCodec",
        "policyFile",
        "readKeyFile",
        "readPrivateFile",
        "registerSecret",
        "removeSecret",
        "requireCapability",
        "resolveGate",
        "resultOf",
        "riskCatalogue",
        "runnable",
        "sealSecretsFile",
        "tokenMinter",
        "verifyLedger",
        "verifyMintedToken",
        "visible",
      ]
    `));
  test('of the SQLite store', () =>
    expect(names(sqlite)).toMatchInlineSnapshot(`
    [
      "sqliteStore",
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
  test('of what channels share', () =>
    expect(names(channel)).toMatchInlineSnapshot(`
    [
      "RequestRefused",
      "isFresh",
      "memoryReplayGuard",
      "problemResponse",
      "readBody",
      "statusOfError",
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
  test('of the LangChain adapter', () =>
    expect(names(langchain)).toMatchInlineSnapshot(`
    [
      "CountersignCallbackHandler",
      "countersignMiddleware",
      "guardTool",
      "guardTools",
      "inventoryOf",
    ]
  `));
});

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
