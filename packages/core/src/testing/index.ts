export { channelContract } from './channel-contract.ts';
export { providerContract } from './provider-contract.ts';
export { storeContract } from './store-contract.ts';
export type { ChannelUnderTest, ShownMessage } from './channel-contract.ts';
export type { ContractCase, ProviderUnderTest } from './provider-contract.ts';
export type { StoreContractCase, StoreStorage, StoreUnderTest } from './store-contract.ts';
