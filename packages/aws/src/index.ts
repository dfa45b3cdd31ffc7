/**
 * Credentials from AWS STS and AWS Secrets Manager.
 * @module
 */
export { awsCredentials, awsSessionProvider } from './aws-session-provider.ts';
export type { AwsSessionProviderOptions, AwsSessionService } from './aws-session-provider.ts';
export type { TemplateStatement } from './session-policy.ts';
export { awsSecretsProvider } from './aws-secrets-provider.ts';
export type { AwsSecret, AwsSecretsProviderOptions, ExpiringAwsSecret } from './aws-secrets-provider.ts';
