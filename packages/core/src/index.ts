/**
 * Countersign: a checkpoint in front of every tool call of an AI agent.
 * @module
 */
export { createCountersign } from './countersign.ts';
export type {
  ApprovalOptions,
  AuditOptions,
  Countersign,
  CountersignOptions,
  InboxEntry,
  InboxInput,
  TimeoutOptions,
} from './countersign.ts';
export type { CheckOptions, Gate } from './gate.ts';
export { maxRisk } from './call.ts';
export type {
  ApprovalMode,
  ApprovalState,
  CheckResult,
  CredentialRequest,
  Decision,
  Outcome,
  Reason,
  ReasonCode,
  Risk,
  ToolCall,
  ToolIdentity,
  ToolRule,
  Verdict,
} from './call.ts';
export {
  ApprovalConflict,
  ApprovalNotFound,
  ApproverError,
  ArgumentsError,
  CallPending,
  CallUnknown,
  ConfigurationError,
  CountersignError,
  IdentifierError,
  KeyError,
  LeaseError,
  LedgerError,
  PolicyError,
  PrincipalError,
  StoreError,
  ToolNotGovernable,
  UnauthorizedToolCall,
} from './errors.ts';
export type { ErrorCode, PolicyIssue } from './errors.ts';

export { ambientGate } from './identify/scope.ts';
export { resolveGate } from './identify/resolve-gate.ts';
export type { GateResolver, GateSource } from './identify/resolve-gate.ts';
export type { Principal, PrincipalInput } from './identify/principal.ts';
export { listInventory } from './identify/inventory.ts';
export type { Inventory, InventoryEntry, InventoryTool, ReviewPath } from './identify/inventory.ts';

export { definePolicy } from './authorize/policy.ts';
export type { Policy, PolicyRule } from './authorize/policy.ts';
export { parsePolicy } from './authorize/parse-policy.ts';
export { policyFile } from './authorize/policy-file.ts';
export { combinePolicies } from './authorize/combine-policies.ts';
export { riskCatalogue } from './authorize/catalogue.ts';
export type { PolicyDocument } from './authorize/policy-document.ts';
export type { Authorizer, Subject, UserDirectory } from './authorize/authorize.ts';

export { createApprovals } from './approve/approvals.ts';
export type { Approvals, CreateApprovalsOptions } from './approve/approvals.ts';
export type { ApprovalsService } from './approve/approvals-service.ts';
export type { ApprovalQuery, ApproverSession, DecideInput, EditRequest } from './approve/approver-session.ts';
export { isEligible, isWithinHours } from './approve/approval-rule.ts';
export type { ApprovalRule, EscalationStep, Weekday, WorkingHours } from './approve/approval-rule.ts';
export type { ApprovalChannel, ApprovalNotice, ApprovalView, Approver, ApproverDirectory } from './approve/approve.ts';
export { approverFile, createApproverToken } from './approve/approver-file.ts';
export { approvalsHttp } from './approve/http.ts';
export { askInTerminal, describeApproval, describeRule } from './approve/terminal.ts';
export { visible } from './approve/visible.ts';
export type { Notifier, NotifierOptions } from './approve/notifier.ts';
export { createVoteSigner } from './approve/votes.ts';
export type { VoteSigner } from './approve/votes.ts';
export { runnable } from './approve/run-approved.ts';
export type { ApprovalRuns, RunnableTool, RunnableTools } from './approve/run-approved.ts';
export type { Worker, WorkerOptions } from './approve/worker.ts';

export { Secret } from './lease/secret.ts';
export { currentCall, currentLease } from './lease/ambient.ts';
export type { CurrentCall } from './lease/ambient.ts';
export { encryptedFileProvider, registerSecret, removeSecret, sealSecretsFile } from './lease/encrypted-file.ts';
export { memoryRevocationList, tokenMinter } from './lease/token-minter.ts';
export type { RevocationList, TokenMinterOptions } from './lease/token-minter.ts';
export { verifyMintedToken } from './lease/verify-minted-token.ts';
export type { MintedTokenClaims, VerifyMintedTokenInput } from './lease/verify-minted-token.ts';
export type { EncryptedFileProviderOptions, RegisteredSecret } from './lease/encrypted-file.ts';
export type { KeyFileOptions } from './key-file.ts';
export type { Maintained } from './maintain.ts';
export type { StoredApproval } from './store/store.ts';
export { createKeyFile, readKeyFile, readPrivateFile } from './key-file.ts';
export type { Consent, Credential, CredentialProvider, Lease, LeaseRequest } from './lease/lease.ts';

export { argumentsDigest } from './execute/arguments-digest.ts';
export { notPermitted } from './messages.ts';
export { callSlot } from './execute/prepare-call.ts';
export { requireCapability, resultOf } from './execute/require-capability.ts';
export { plainCodec } from './execute/codec.ts';
export type { ResultCodec } from './execute/codec.ts';
export type { Body, ExecuteOptions, StreamBody } from './execute/run-body.ts';

export { memoryStore } from './store/memory.ts';
export type { Store } from './store/store.ts';
export type { Ledger, LedgerQuery } from './record/ledger.ts';
export { openLedger } from './record/open-ledger.ts';
export type { OpenLedgerOptions } from './record/open-ledger.ts';
export type { OpenedRecord } from './record/open-record.ts';
export type { ChainHead } from './record/record.ts';
export { verifyLedger } from './record/verify.ts';
export type { Verification, VerifyOptions } from './record/verify.ts';
export type { TelemetryOptions } from './record/telemetry.ts';
