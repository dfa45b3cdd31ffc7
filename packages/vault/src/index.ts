/**
 * Credentials from HashiCorp Vault and OpenBao.
 * @module
 */
export { vaultConnection } from './vault-connection.ts';
export type { VaultConnection, VaultConnectionOptions } from './vault-connection.ts';
export { appRole, jwt } from './login.ts';
export type { AppRoleOptions, JwtOptions, VaultLogin, WrappedSecretId } from './login.ts';
export { vaultDynamicProvider } from './vault-dynamic-provider.ts';
export type { DynamicService, VaultDynamicProviderOptions } from './vault-dynamic-provider.ts';
export { vaultKvProvider } from './vault-kv-provider.ts';
export type { ExpiringSecret, KvSecret, KvService, VaultKvProviderOptions } from './vault-kv-provider.ts';
